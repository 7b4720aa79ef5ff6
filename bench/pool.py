"""The parent's end: workers started, asked, ended; those that fail are remembered with the reason."""
import multiprocessing
import os
import subprocess
import sys
import time

from . import places


class Failed(Exception):
    """An engine did not do what was asked; the text says why."""


class Slot:
    """One engine on one data set. Its worker is started when it is asked, and may be ended in between."""

    def __init__(self, entry, data, folder):
        self.entry, self.data, self.folder = entry, data, folder
        self.name = entry.name
        self.process = self.pipe = None
        self.opened = None  # what the last open returned
        self.loads = []
        os.makedirs(places.LOGS, exist_ok=True)
        self.log = os.path.join(places.LOGS, f"{data.name}-{entry.name}.log")

    def _start(self):
        ours, theirs = multiprocessing.Pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.worker", str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=places.ROOT, env=places.environment())
        theirs.close()
        self.pipe = ours

    def ask(self, do, limit=None, **given):
        """The answer. Raises Failed, also when the worker dies or takes longer than `limit` seconds."""
        if self.process is None:
            self._start()
        try:
            self.pipe.send({"do": do, **given})
            if limit is not None and not self.pipe.poll(limit):
                self.kill()
                raise Failed(f"took longer than {limit:.0f} s to {do}")
            answer = self.pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            code = self.process.wait()
            self.process = self.pipe = None
            raise Failed(f"its process ended with code {code} during {do}: {self._last_words()}") from None
        if "error" in answer:
            if answer["kind"] == "import":
                raise Failed(f"not installed: {answer['error']}")
            raise Failed(answer["error"])
        return answer["ok"]

    def _last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1][-200:] if lines else "nothing was printed"

    def open(self, threads, warm=True):
        """Have it ready to search; without `warm`, only loaded, for the time it takes."""
        if self.opened is not None and self.process is not None:
            return
        data = self.data
        self.opened = self.ask("open", limit=600, entry=self.name, folder=self.folder, queries=data.query_path,
                               count=data.count, dim=data.dim, metric=data.metric, threads=threads)
        self.loads.append(self.opened["seconds"])
        if warm:
            self.ask("warm", limit=600)

    def end(self):
        if self.process is None:
            return
        try:
            self.pipe.send({"do": "end"})
            self.pipe.poll(10)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            pass
        self.kill()

    def kill(self):
        if self.process is not None:
            try:
                self.process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.pipe.close()
        self.process = self.pipe = self.opened = None


class Clock:
    """Words on the terminal with the time since the start."""

    def __init__(self):
        self.start = time.monotonic()
        self.is_terminal = sys.stdout.isatty()
        self.bar = ""

    def say(self, text):
        if self.bar:
            sys.stdout.write("\r\033[K")
            self.bar = ""
        print(text, flush=True)

    def step(self, what, done, total):
        """A bar on one line; nothing in a file."""
        if not self.is_terminal:
            return
        share = done / max(total, 1)
        self.bar = f"  {what:<28.28} [{'#' * int(30 * share):<30}] {share:4.0%}  {time.monotonic() - self.start:5.0f} s"
        sys.stdout.write("\r\033[K" + self.bar)
        sys.stdout.flush()

    def seconds(self):
        return time.monotonic() - self.start
