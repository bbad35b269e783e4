# terminal.py GUESTNET: an interactive shell whose jobs are commands in
# containers: ^Z, fg, ^C, another shell inside, and the terminal's size.
import os
import pty
import re
import select
import sys
import time

GUESTNET = sys.argv[1]
PROMPT = rb"PROMPT> "

shell, terminal = pty.fork()
if shell == 0:
    os.environ.update(PS1="PROMPT> ", TERM="dumb")
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])

said = b""


def expect(pattern):
    global said
    end = time.time() + 60
    while not (match := re.search(pattern, said)):
        if not select.select([terminal], [], [], max(0, end - time.time()))[0]:
            sys.exit("in 60 s never: %r; but %r" % (pattern, said))
        said += os.read(terminal, 4096)
    said = said[match.end():]


def send(text):
    os.write(terminal, text.encode())


def command(line):
    send(line + "\n")


def state_of_sleep(wanted):
    """Wait until the command that sleeps is in this state."""
    end = time.time() + 60
    while time.time() < end:
        for entry in os.listdir("/proc"):
            try:
                with open("/proc/%s/stat" % entry) as stat:
                    text = stat.read()
                with open("/proc/%s/cmdline" % entry) as line:
                    if "31415" in line.read().split("\0")[1:2] and \
                            text.rsplit(")", 1)[1].split()[0] == wanted:
                        return
            except OSError:
                pass
        time.sleep(0.02)
    sys.exit("it is never in state " + wanted)


expect(PROMPT)
command(GUESTNET + " run -- sleep 31415")
state_of_sleep("S")
send("\x1a")
expect(rb"Stopped")
expect(PROMPT)
state_of_sleep("T")
command("fg")
state_of_sleep("S")
send("\x03")
expect(PROMPT)
command("echo status=$?")
expect(rb"status=130\r")

command(GUESTNET + " run -- bash --norc --noprofile -i")
expect(PROMPT)
command("sleep 31415")
state_of_sleep("S")
send("\x1a")
expect(rb"Stopped")
command("fg")
state_of_sleep("S")
send("\x03")
expect(PROMPT)
command("tty; exit 5")
expect(rb"/dev/pts/\d+\r")
expect(PROMPT)
command("echo status=$?")
expect(rb"status=5\r")

command(GUESTNET + " run -- sleep 31415 &")
state_of_sleep("S")
command("kill %1; wait %1; echo status=$?")
expect(rb"status=143\r")
command("exit")
