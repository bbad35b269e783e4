#!/usr/bin/env bash
# mosquitto.sh SOURCE: a broker, a subscriber and publishers, each a guest.
source=$1
# shellcheck disable=SC1091,SC2154 # lib.sh sets work.
. "$source/tests/wasm/lib.sh"

others broker mosquitto mosquitto
others publisher mosquitto mosquitto_pub
others subscriber mosquitto mosquitto_sub
for name in broker publisher subscriber; do
    guest $name
done
host

broker=("&broker@1883" "$work/broker.so" broker -p 1883)
# NAME ARGUMENT...: the steps of one that publishes, or subscribes.
publishes() { steps=("$1@" "$work/publisher.so" publisher -h broker "${@:2}"); }
subscribes() { steps=("$1@" "$work/subscriber.so" subscriber -h broker "${@:2}"); }

subscribes sub -d -t rooms/+ -C 2
sub=("${steps[@]}")
publishes a -t rooms/kitchen -m hot
first=("${steps[@]}")
publishes b -t rooms/cellar -m cold
second=("${steps[@]}")
cat >"$work/expected" <<'END'
Client null sending CONNECT
Client null received CONNACK (0)
Client null sending SUBSCRIBE (Mid: 1, Topic: rooms/+, QoS: 0, Options: 0x00)
Client null received SUBACK
Subscribed (mid: 1): 0
Client null received PUBLISH (d0, q0, r0, m0, 'rooms/kitchen', ... (3 bytes))
hot
Client null received PUBLISH (d0, q0, r0, m0, 'rooms/cellar', ... (4 bytes))
cold
Client null sending DISCONNECT
END
run "a message to a waiting client" "${broker[@]}" -- "${sub[@]}" -- \
    ? sub Subscribed -- "${first[@]}" -- ? sub hot -- "${second[@]}" || exit 1

publishes a -t news -m 'kept for later' -r -q 1 -d
first=("${steps[@]}")
subscribes sub -t news -C 1 -q 1
sub=("${steps[@]}")
cat >"$work/expected" <<'END'
Client null sending CONNECT
Client null received CONNACK (0)
Client null sending PUBLISH (d0, q1, r1, m1, 'news', ... (14 bytes))
Client null received PUBACK (Mid: 1, RC:0)
Client null sending DISCONNECT
kept for later
END
run "a message that is retained" "${broker[@]}" -- "${first[@]}" -- \
    ? a PUBACK -- "${sub[@]}" || exit 1

# One waits for what comes, and the other, which sends, says what it met: 14 is
# MOSQ_ERR_ERRNO, 7 MOSQ_ERR_CONN_LOST and 4 MOSQ_ERR_NO_CONN, when it sends again
# before it looks.
subscribes sub -t clock
sub=("&${steps[0]}" "${steps[@]:1}")
publishes a -t clock -m tick --repeat 1000 --repeat-delay 0.1
printf 'tick\n' >"$work/expected"
status='4|7|14' run "a broker that is killed, a subscriber waits" \
    "${broker[@]}" -- "${sub[@]}" -- "${steps[@]}" -- ? sub tick -- \
    - broker || exit 1
