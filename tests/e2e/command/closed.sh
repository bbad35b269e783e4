#!/usr/bin/env bash
# closed.sh CASE: these tests, where only root may enter the checkout.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case_a_checkout_that_is_closed_to_others() {
    [ "$(id -u)" = 0 ] || skip "it is root who becomes another user"
    local closed
    closed=$(mktemp -d)
    # shellcheck disable=SC2064 # It is known now.
    trap "rm -rf '$closed'" EXIT
    cp -r "$here" "$GUESTNET" "$GUESTNET_AGENT" "$closed"
    GUESTNET=$closed/${GUESTNET##*/} GUESTNET_AGENT=$closed/${GUESTNET_AGENT##*/} \
        "$closed/${here##*/}/input.sh" options
}

"case_$1"
