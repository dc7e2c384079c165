"""Hands every hostile file to the command as a user would: python3 tests/hostile/run.py BUILD [TEXT]

The answer must be one clear sentence and an exit status that says failure, in little time and memory; nothing may be written
or lost. With TEXT, those rows alone whose names hold it, and their sentences."""
import hashlib
import multiprocessing
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import unicodedata

nilu = os.path.join(os.path.abspath(sys.argv[1]), "nilu")
only = sys.argv[2] if len(sys.argv) > 2 else None
slow = "sanitize" in os.path.basename(os.path.abspath(sys.argv[1]))
SECONDS = 60 if slow else 10  # of CPU time
MEGABYTES = 600 if slow else 128  # beside twice the files; the sanitizer's shadow and what it keeps of freed memory among it
ALLOWED = (1, 2, 3, 4, 5)


def limits():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(connection):
    """Runs what comes. The most memory that a process ever had is counted from its fork on, so the one that forks must be
    small: it is made before anything else."""
    while True:
        folder, words = connection.recv()
        environment = dict(os.environ, LC_ALL="C.UTF-8", OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=folder + "/cache")
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen([os.fsencode(w) for w in words], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                     env=environment, preexec_fn=limits)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = status
            out.seek(0)
            err.seek(0)
            connection.send((os.waitstatus_to_exitcode(status), usage.ru_maxrss, out.read(1 << 16), err.read(1 << 16)))


connection, far = multiprocessing.Pipe()
server = multiprocessing.Process(target=serve, args=(far,), daemon=True)
server.start()


def launch(folder, words):
    connection.send((folder, words))
    return connection.recv()


sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from rows import ROWS  # noqa: E402

for part in sorted(pathlib.Path(__file__).parent.glob("*.py")):
    if part.stem not in ("run", "rows"):
        __import__(part.stem)


def make(folder, files):
    for name, content in files.items():
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, tuple) and content[0] == "link":
            os.symlink(content[1], path)
        elif isinstance(content, tuple) and content[0] == "pipe":
            os.mkfifo(path)
        else:
            with open(path, "wb") as f:
                f.write(content() if callable(content) else content)


def digest(path):
    with open(path, "rb") as f:
        return os.path.getsize(path), hashlib.file_digest(f, "sha256").digest()


def tree(folder):
    """Everything in a folder: path -> size, content. What is held in memory here would be counted as the command's."""
    found = {}
    for at, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(at, name)
            plain = os.path.isfile(path) and not os.path.islink(path)
            found[path] = digest(path) if plain else (0, os.readlink(path) if os.path.islink(path) else b"/")
    return found


def judge(files, command, says):
    """What is wrong with the answer, and the sentence."""
    with tempfile.TemporaryDirectory(prefix="nilu-hostile-") as folder:
        make(folder, files)
        before = tree(folder)
        size = sum(n for n, _ in before.values())
        code, memory, said, raw = launch(folder, [nilu] + command + ([] if command[0] in ("plan", "export") else ["--threads", "1"]))
        after = tree(folder)
    sentence = raw.decode("utf-8", "replace").strip("\n")
    wrong = []
    if code not in ALLOWED:
        wrong.append("ended with %d" % code)
    if memory > 2 * size / 1024 + MEGABYTES * 1024:
        wrong.append("took %d MB for %.1f MB" % (memory / 1024, size / 1e6))
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        wrong.append("says what is no UTF-8")
    if any(unicodedata.category(c) == "Cc" for c in sentence):
        wrong.append("says control characters")
    if not sentence.startswith("nilu: ") or "\n" in sentence:
        wrong.append("says no single sentence")
    if len(sentence) > 1200 or len(sentence) < 20:
        wrong.append("says %d characters" % len(sentence))
    if says not in sentence:
        wrong.append('does not say "%s"' % says)
    if said:
        wrong.append("prints %d bytes" % len(said))
    for path in sorted(set(before) | set(after)):
        if before.get(path) != after.get(path):
            wrong.append("changed " + path.decode("utf-8", "replace"))
    return wrong, sentence


failed = 0
names = set()
for number, (what, files, command, says) in enumerate(ROWS, 1):
    assert what not in names, "two rows are called " + what
    names.add(what)
    if only and only not in what:
        continue
    wrong, sentence = judge(files, command, says)
    print("%s %d - hostile: %s" % ("not ok" if wrong else "ok", number, what), flush=True)
    if only or wrong:
        print("    %s" % sentence[:600])
    for w in wrong:
        print("    " + w)
    failed += bool(wrong)
print("# %d hostile files, %d of them not refused well" % (len(names), failed))
sys.exit(failed > 0)
