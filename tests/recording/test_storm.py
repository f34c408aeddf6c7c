"""A process that does not hold still while it is recorded: a replay gives the very answer that was given then."""

import os
import subprocess
import sys

from mapsd.linux.live import Live
from mapsd.recorder.asked import recorded
from mapsd.recorder.session import RecordedSession
from mapsd.recording import form
from mapsd.recording.plain import Plain

RECORDINGS = 12
STORM = """
import mmap, os, random, sys
held, files = {}, [f"{sys.argv[1]}/{number}" for number in range(40)]
def made(path):
    with open(path, "wb") as file:
        file.write(bytes(8192))
for path in files:
    made(path)
print(flush=True)
while True:
    path = random.choice(files)
    if path in held:
        held.pop(path).close()
    else:
        with open(path, "rb") as file:
            held[path] = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ)
    if random.random() < 0.1:
        made(path + "-new")
        os.rename(path + "-new", path)
"""


def test_the_answer_of_a_replay_is_the_one_that_was_given(tmp_path):
    storm = subprocess.Popen([sys.executable, "-c", STORM, tmp_path], stdout=subprocess.PIPE)
    live, differed = Live(), 0
    try:
        assert storm.stdout.readline() == b"\n"
        for number in range(RECORDINGS):
            transcript, answer = recorded(storm.pid, live, Plain())
            path = tmp_path / f"recording{number}"
            path.write_bytes(b"".join(form.rendered(iter([(f"process {storm.pid}", transcript.lines())]))))
            assert RecordedSession(os.fsencode(path)).lookup(storm.pid) == answer
            differed += any(len({said.text for said in answers}) > 1 for answers in transcript.first().values())
    finally:
        storm.kill()
        storm.wait()
        storm.stdout.close()
        live.iterator.close()
    # Else nothing was tried.
    assert differed
