/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * For 2-4 the key 00 01 .. 0f over the inputs "", 00, 00 01, .. and the values
 * that the function's authors publish; the one of 15 bytes is the paper's
 * appendix A. For 1-3 the key 0 over 00, 00 01, .. and the values of CPython,
 * whose hash of bytes this is when PYTHONHASHSEED is 0.
 */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint64_t published24[64] = {
    UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd),
    UINT64_C(0x0d6c8009d9a94f5a), UINT64_C(0x85676696d7fb7e2d),
    UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
    UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137),
    UINT64_C(0x93f5f5799a932462), UINT64_C(0x9e0082df0ba9e4b0),
    UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
    UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90),
    UINT64_C(0xf723ca908e7af2ee), UINT64_C(0xa129ca6149be45e5),
    UINT64_C(0x3f2acc7f57c29bdb), UINT64_C(0x699ae9f52cbe4794),
    UINT64_C(0x4bc1b3f0968dd39c), UINT64_C(0xbb6dc91da77961bd),
    UINT64_C(0xbed65cf21aa2ee98), UINT64_C(0xd0f2cbb02e3b67c7),
    UINT64_C(0x93536795e3a33e88), UINT64_C(0xa80c038ccd5ccec8),
    UINT64_C(0xb8ad50c6f649af94), UINT64_C(0xbce192de8a85b8ea),
    UINT64_C(0x17d835b85bbb15f3), UINT64_C(0x2f2e6163076bcfad),
    UINT64_C(0xde4daaaca71dc9a5), UINT64_C(0xa6a2506687956571),
    UINT64_C(0xad87a3535c49ef28), UINT64_C(0x32d892fad841c342),
    UINT64_C(0x7127512f72f27cce), UINT64_C(0xa7f32346f95978e3),
    UINT64_C(0x12e0b01abb051238), UINT64_C(0x15e034d40fa197ae),
    UINT64_C(0x314dffbe0815a3b4), UINT64_C(0x027990f029623981),
    UINT64_C(0xcadcd4e59ef40c4d), UINT64_C(0x9abfd8766a33735c),
    UINT64_C(0x0e3ea96b5304a7d0), UINT64_C(0xad0c42d6fc585992),
    UINT64_C(0x187306c89bc215a9), UINT64_C(0xd4a60abcf3792b95),
    UINT64_C(0xf935451de4f21df2), UINT64_C(0xa9538f0419755787),
    UINT64_C(0xdb9acddff56ca510), UINT64_C(0xd06c98cd5c0975eb),
    UINT64_C(0xe612a3cb9ecba951), UINT64_C(0xc766e62cfcadaf96),
    UINT64_C(0xee64435a9752fe72), UINT64_C(0xa192d576b245165a),
    UINT64_C(0x0a8787bf8ecb74b2), UINT64_C(0x81b3e73d20b49b6f),
    UINT64_C(0x7fa8220ba3b2ecea), UINT64_C(0x245731c13ca42499),
    UINT64_C(0xb78dbfaf3a8d83bd), UINT64_C(0xea1ad565322a1a0b),
    UINT64_C(0x60e61c23a3795013), UINT64_C(0x6606d7e446282b93),
    UINT64_C(0x6ca4ecb15c5f91e1), UINT64_C(0x9f626da15c9625f3),
    UINT64_C(0xe51b38608ef25f57), UINT64_C(0x958a324ceb064572),
};

static const uint64_t cpython13[16] = {
    UINT64_C(0x68a914128e01e473), UINT64_C(0x010bac45c41e3669),
    UINT64_C(0x4d4c9a4a8ef6e0ad), UINT64_C(0x7cc43f98813e4dbd),
    UINT64_C(0x5abe2169dff36275), UINT64_C(0xe3c25f87624f1cdb),
    UINT64_C(0x2f098ab0c751325a), UINT64_C(0xead411e67ebe2eea),
    UINT64_C(0x75927f9d95124362), UINT64_C(0xaf9f77a65ab51a1d),
    UINT64_C(0xfe64ce8b6617fcff), UINT64_C(0xa6baf4fb0f9fe1c2),
    UINT64_C(0xa0cf3211850f8e0d), UINT64_C(0x7f86049379fbfe67),
    UINT64_C(0xf30eb725bb91c9ea), UINT64_C(0x8972188433a5c5b7),
};

/* The 128 bits of 1-3, for the key and the input that published24 is of, of so
 * many bytes; computed by another program, which gives what is published of
 * 2-4. */
static const struct {
    size_t len;
    uint64_t sum[2];
} wide13[] = {
    {0, {UINT64_C(0xbea58827b2bc7ee7), UINT64_C(0x013030dd6adb62fd)}},
    {8, {UINT64_C(0xb4dae3d5e1fe12aa), UINT64_C(0x99c7f935ab164f72)}},
    {16, {UINT64_C(0xeb8e511557d9a8d0), UINT64_C(0x93179e3df8b013b5)}},
    {40, {UINT64_C(0x13b4b93e54205750), UINT64_C(0x38f9eed9fa3c0bd5)}},
    {256, {UINT64_C(0x5a020c3a248b6cf5), UINT64_C(0x7a709cb9a27a686a)}},
};

static void fill(uint8_t *input, size_t len)
{
    for (size_t i = 0; i < len; i++)
        input[i] = (uint8_t)i;
}

static void siphash24_gives_the_published_values(void **state)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100),
                             UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t input[64];

    (void)state;
    fill(input, sizeof(input));
    for (size_t len = 0; len < 64; len++)
        assert_true(gn__siphash24(key, input, len) == published24[len]);
}

static void siphash13_gives_cpythons_values(void **state)
{
    const uint64_t key[2] = {0, 0};
    uint8_t input[16];

    (void)state;
    fill(input, sizeof(input));
    for (size_t len = 1; len <= 16; len++)
        assert_true(gn__siphash13(key, input, len) == cpython13[len - 1]);
}

static void input_need_not_be_aligned(void **state)
{
    const uint64_t key[2] = {1, 2};
    uint8_t aligned[40], shifted[48];

    (void)state;
    fill(aligned, sizeof(aligned));
    for (size_t shift = 0; shift < 8; shift++) {
        fill(shifted + shift, 40);
        assert_true(gn__siphash13(key, shifted + shift, 40) ==
                    gn__siphash13(key, aligned, 40));
    }
}

static void a_sum_is_that_of_all_its_words(void **state)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100),
                             UINT64_C(0x0f0e0d0c0b0a0908)};
    uint64_t sum[2];
    uint8_t input[256];

    (void)state;
    fill(input, sizeof(input));
    for (size_t i = 0; i < sizeof(wide13) / sizeof(*wide13); i++) {
        struct gn__sipsum s;

        gn__sipsum_init(&s, key);
        gn__sipsum_add_bytes(&s, input, wide13[i].len / 16 * 8);
        gn__sipsum_get(&s, sum);
        gn__sipsum_add_bytes(&s, input + wide13[i].len / 16 * 8,
                             wide13[i].len - wide13[i].len / 16 * 8);
        gn__sipsum_get(&s, sum);
        assert_true(sum[0] == wide13[i].sum[0] && sum[1] == wide13[i].sum[1]);
    }
}

static void bytes_of_a_sum_end_in_zeros(void **state)
{
    struct gn__sipsum bytes, words;
    uint64_t sums[2][2];

    (void)state;
    gn__sipsum_init(&bytes, (const uint64_t[2]){1, 2});
    words = bytes;
    gn__sipsum_add_bytes(&bytes, "\1\2\3\4\5\6\7\10\11\12", 10);
    gn__sipsum_add(&words, UINT64_C(0x0807060504030201));
    gn__sipsum_add(&words, UINT64_C(0x0a09));
    gn__sipsum_get(&bytes, sums[0]);
    gn__sipsum_get(&words, sums[1]);
    assert_memory_equal(sums[0], sums[1], sizeof(sums[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash24_gives_the_published_values),
        cmocka_unit_test(siphash13_gives_cpythons_values),
        cmocka_unit_test(input_need_not_be_aligned),
        cmocka_unit_test(a_sum_is_that_of_all_its_words),
        cmocka_unit_test(bytes_of_a_sum_end_in_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
