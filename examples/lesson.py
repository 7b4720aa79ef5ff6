"""The lesson: a vector database from the first point to a tuned index, on real text.

It creates a collection, writes documents, and searches them by meaning; does the same through three doors
(in memory, on disk, over a server) and compares the answers bit for bit; closes and reopens; overwrites;
tunes m and ef_construct; sets brute force beside HNSW as a collection grows; compacts. Every claim is
checked where it is made and printed as `ok` or `FAILED`; the exit code is 0 only if all of them held.

TEXT     About 1,000 descriptions of Debian packages (debian.py) and 100 paragraphs on machine learning
         (texts.py), as 768 numbers each: the vector of the title and that of the text, 384 each (embed.py),
         joined. A question is joined with itself, so that it is compared with both halves. Tuning and
         growth use one-line descriptions, 384 numbers each.
FILES    Everything goes to build/demo, which may be deleted. growth.svg there is the plot.
usage:   examples/lesson.py      (make demo sets up what it needs)
"""
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)

import embed  # noqa: E402  (first: it sets the number of BLAS threads)
import numpy as np  # noqa: E402

import debian  # noqa: E402
import octant  # noqa: E402
import plot  # noqa: E402
import texts  # noqa: E402
from octant.models import (  # noqa: E402
    Distance, HnswConfigDiff, OptimizersConfigDiff, PointStruct, VectorParams)

warnings.simplefilter("ignore", DeprecationWarning)  # newer clients warn of recreate_collection, which is taught

FOLDER = os.path.join(ROOT, "build", "demo")
PROGRAM = os.environ.get("OCTANT_BIN") or os.path.join(ROOT, "build", "octant")
COLLECTION = "documents"
DOCUMENTS = 1000        # packages read as documents
TITLES = 16000          # one-line descriptions for tuning and growth
QUERIES = 200           # held out of them
ROWS_TO_TELL = 4000     # with fewer, no claim on what is faster or finds more: a small set shows neither
K = 10
# Below 10 MB of vectors the engine scans, which is then fastest and exact. To see the graph at work on small
# collections, both thresholds are lowered to this many kilobytes.
WALK_FROM_KB = 10
QUESTIONS = [texts.QUESTION] + """How do I stop a neural network from overfitting?
Which tool compresses files?
find the most similar vectors quickly
play music from the command line
What is attention?
library to read and write images
check the spelling of a text
measure how good a classifier is
encrypt an e-mail
tune the learning rate
a compiler for a programming language
monitor network traffic
grouping data without labels
fonts for Asian languages
train on many devices without collecting data""".split("\n")

claims = {"held": 0, "failed": 0}


def claim(held, text):
    """Say what was found and count whether it was as claimed."""
    claims["held" if held else "failed"] += 1
    print(f"  {'ok    ' if held else 'FAILED'}  {text}", flush=True)


def step(number, title):
    print(f"\n{number}. {title}\n{'-' * (len(title) + 3)}", flush=True)


def bits(hits):
    """What must be equal on every door: ids, and scores to the last bit."""
    return [(hit.id, np.float32(hit.score).tobytes(), hit.score) for hit in hits]


class Lesson:
    """The documents, their vectors, and the lesson's four functions."""

    def __init__(self, model, packages):
        self.model = model
        self.documents = [{"text": title, "body": body, "source": "paragraph"}
                          for title, body, _ in texts.paragraphs()]
        self.documents += [{"text": f"{item['name']}: {item['title']}", "body": item["body"], "source": "debian",
                            "section": item["section"]} for item in packages.documents(DOCUMENTS)]
        halves = model.encode([part for document in self.documents for part in (document["text"], document["body"])],
                              f"embedding {len(self.documents):,} documents")
        self.vectors = halves.reshape(len(self.documents), 2 * embed.DIM)

    def embed(self, question):
        half = self.model.encode([question])[0]
        return np.concatenate([half, half])

    def create_collection(self, client):
        client.recreate_collection(
            collection_name=COLLECTION,
            vectors_config=VectorParams(size=768, distance=Distance.COSINE),
        )

    def upsert_documents(self, client, batch=200):
        for start in range(0, len(self.documents), batch):
            client.upsert(
                collection_name=COLLECTION,
                points=[PointStruct(id=i + 1, vector=self.vectors[i].tolist(), payload=self.documents[i])
                        for i in range(start, min(start + batch, len(self.documents)))],
            )

    def search_documents(self, client, query, limit=5):
        return client.search(
            collection_name=COLLECTION,
            query_vector=self.embed(query).tolist(),
            limit=limit,
        )

    def answers(self, client):
        return [bits(self.search_documents(client, question, K)) for question in QUESTIONS]

    def scan(self, question):
        """The same search by numpy, in double precision: ids and scores of the best K."""
        rows = self.vectors.astype(np.float64)
        query = self.embed(question).astype(np.float64)
        scores = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        best = np.argsort(-scores)[:K]
        return [int(i) + 1 for i in best], scores[best]


def print_hits(hits):
    print("     Score | ID   | text")
    for hit in hits:
        print(f"    {hit.score:.4f} | {hit.id:<4} | {hit.payload['text'][:84]}")


class Server:
    """`octant serve` on a free port of this machine, stopped when the block ends."""

    def __init__(self, path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = os.path.join(FOLDER, "server.log")
        self.command = [PROGRAM, "serve", "--path", path, "--host", "127.0.0.1", "--http-port", str(self.port)]

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=2):
                    return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    with open(self.log_path, encoding="utf-8", errors="replace") as log:
                        raise SystemExit(f"the server did not come up:\n{log.read()}") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.exit_code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.exit_code = self.process.wait()


def fresh(name):
    """The path of a folder of build/demo that does not exist."""
    path = os.path.join(FOLDER, name)
    if os.path.exists(path):
        shutil.rmtree(path)
    return path


def folder_bytes(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def first_search(lesson):
    """Steps 1 and 2. Returns the answers that every other door must give."""
    step(1, "Create, upsert, search: in memory")
    client = octant.QdrantClient(":memory:")
    lesson.create_collection(client)
    start = time.monotonic()
    lesson.upsert_documents(client)
    seconds = time.monotonic() - start
    count = client.count(COLLECTION).count
    print(f"  {count:,} documents as vectors of 768 numbers, written in {seconds:.2f} s")
    claim(count == len(lesson.documents) >= 1000, f"{count:,} documents are in the collection (at least 1,000)")

    print(f'\n  "{texts.QUESTION}"')
    hits = lesson.search_documents(client, texts.QUESTION)
    print_hits(hits)
    answering = {i + 1 for i, (_, _, answers) in enumerate(texts.paragraphs()) if answers}
    right = sum(hit.id in answering for hit in hits)
    claim(right == len(hits) == 5, f"{right} of the first 5 are among the {len(answering)} that answer the question")
    for question in QUESTIONS[1:4]:
        print(f'\n  "{question}"')
        print_hits(lesson.search_documents(client, question, 3))

    near, worst = 0, 0.0
    for question in QUESTIONS:
        ids, scores = lesson.scan(question)
        found = lesson.search_documents(client, question, K)
        near += sum(hit.score >= scores[-1] - 1e-5 for hit in found)
        worst = max(worst, max(abs(hit.score - want) for hit, want in zip(found, scores)))
    recall = near / (K * len(QUESTIONS))
    claim(recall >= 0.99, f"recall@{K} against numpy over {len(QUESTIONS)} questions is {recall:.3f} (at least 0.99)")
    claim(worst < 1e-5, f"scores differ from numpy's in double precision by at most {worst:.1e} (below 1e-5)")
    answers = lesson.answers(client)
    client.close()
    return answers


def three_doors(lesson, answers, path):
    step(2, "The same on disk and over a server")
    client = octant.QdrantClient(path=path)
    lesson.create_collection(client)
    lesson.upsert_documents(client)
    claim(lesson.answers(client) == answers, f"path=: ids and scores of {len(QUESTIONS)} questions are bit for bit "
                                             "those of :memory:")
    client.close()
    with Server(fresh("server")) as server:
        client = octant.QdrantClient(url=server.url)
        lesson.create_collection(client)
        lesson.upsert_documents(client)
        claim(lesson.answers(client) == answers, "url=: the same, over HTTP")
        client.close()
    claim(server.exit_code == 0, "the server finished and exited cleanly when asked to stop")


def reopen(lesson, answers, path):
    step(3, "Close and reopen")
    start = time.monotonic()
    client = octant.QdrantClient(path=path)
    hits = lesson.search_documents(client, texts.QUESTION)
    seconds = time.monotonic() - start
    print(f"  {folder_bytes(path) / 1e6:.1f} MB on disk; opened and first question answered "
          f"in {1000 * seconds:.0f} ms; nothing is written again")
    claim(bits(hits) == answers[0][:5] and lesson.answers(client) == answers, "reopened: the same ids, the same bits")
    claim(seconds < 1.0, f"open and first answer took {1000 * seconds:.0f} ms (below 1 s)")
    client.close()


def overwrite(lesson, path):
    step(4, "Upsert over an existing id")
    client = octant.QdrantClient(path=path)
    before = lesson.search_documents(client, texts.QUESTION, 1)[0]
    count = client.count(COLLECTION).count
    title, body = "How to brew good coffee", "Grind fresh, use water just off the boil, and pour slowly."
    half = lesson.model.encode([title, body])
    client.upsert(collection_name=COLLECTION, points=[
        PointStruct(id=before.id, vector=half.reshape(-1).tolist(), payload={"text": title, "body": body})])
    after = lesson.search_documents(client, texts.QUESTION, K)
    coffee = lesson.search_documents(client, "a nice cup of coffee", 3)
    print(f'  id {before.id} was "{before.payload["text"]}"; now a search for "a nice cup of coffee" finds')
    print_hits(coffee)
    claim(coffee[0].id == before.id and coffee[0].payload == {"text": title, "body": body},
          "the very next search finds the new text under the old id")
    claim(before.id not in [hit.id for hit in after], "the old text is gone from the answers to the old question")
    claim(client.count(COLLECTION).count == count, f"still {count:,} documents")
    client.close()
    client = octant.QdrantClient(path=path)
    record = client.retrieve(COLLECTION, ids=[before.id])[0]
    claim(record.payload["text"] == title, "and so it is after close and reopen")
    client.close()


def timed(search, queries, rounds=5):
    """Milliseconds a query, one after the other on one thread: of the round that was disturbed least."""
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        for query in queries:
            search(query)
        spent.append(time.perf_counter() - start)
    return min(spent) * 1000 / len(queries)


def recall_of(scores, exact_scores):
    """Share of hits as good as the true K-th: by score, as many packages share a description's meaning."""
    return float((scores >= exact_scores[:, -1:] - 1e-5).mean())


def tune(rows, queries, path):
    step(5, f"Tune m and ef_construct: {len(rows):,} one-line descriptions, 384 numbers each")
    truth = -np.sort(-(queries @ rows.T), axis=1)[:, :K]
    print(f"      m | ef_construct | build s | recall@{K} at ef 16, 64, 256 | ms a query at ef 64")
    found = {}
    # Two doors to one folder: the client makes the collection, numpy fills and measures it.
    client = octant.QdrantClient(path=path)
    with octant.open(path) as database:
        for m, ef_construct in ((4, 20), (8, 50), (16, 100), (32, 200)):
            client.recreate_collection(
                collection_name="titles",
                vectors_config=VectorParams(size=embed.DIM, distance=Distance.COSINE),
                hnsw_config=HnswConfigDiff(m=m, ef_construct=ef_construct, full_scan_threshold=WALK_FROM_KB),
                optimizers_config=OptimizersConfigDiff(indexing_threshold=WALK_FROM_KB),
            )
            collection = database["titles"]
            start = time.monotonic()
            collection.upsert(np.arange(len(rows), dtype=np.uint64), rows)
            collection.wait_indexed()
            build = time.monotonic() - start
            recalls = [recall_of(collection.search(queries, K, ef=ef)[1], truth) for ef in (16, 64, 256)]
            spent = timed(lambda query: collection.search(query, K, ef=64), queries)
            exact = recall_of(collection.search(queries, K, exact=True)[1], truth)
            print(f"    {m:3} | {ef_construct:12} | {build:7.2f} |" +
                  "".join(f" {recall:9.3f}" for recall in recalls) + f" | {spent:19.3f}", flush=True)
            found[m] = (recalls, exact)
    client.close()
    claim(all(exact == 1.0 for _, exact in found.values()), "exact=True finds all that numpy finds")
    claim(found[16][0][1] >= 0.95, f"m=16, ef_construct=100 reaches recall {found[16][0][1]:.3f} at ef 64 "
                                   "(at least 0.95)")
    if len(rows) >= ROWS_TO_TELL:
        claim(found[4][0][1] < found[16][0][1] <= found[32][0][1] + 0.005,
              "more links and a wider build give more recall")
        claim(found[16][0][0] < found[16][0][2], "and so does a wider search: ef 256 beats ef 16")


def grow(rows, queries, path):
    step(6, "Brute force against HNSW as the collection grows")
    sizes = [1000 << i for i in range(8) if 1000 << i <= len(rows)] or [len(rows)]
    print(f"     points | exact ms | HNSW ms | times faster | recall@{K}      (one thread, ef 64)")
    exact_line, graph_line, build, done = [], [], 0.0, 0
    with octant.open(path) as database:
        collection = database.create("titles", size=embed.DIM, m=16, ef_construct=100,
                                     indexing_threshold=WALK_FROM_KB, full_scan_threshold=WALK_FROM_KB)
        for size in sizes:
            start = time.monotonic()
            collection.upsert(np.arange(done, size, dtype=np.uint64), rows[done:size],
                              [{"row": row} for row in range(done, size)])
            collection.wait_indexed()
            build += time.monotonic() - start
            done = size
            exact_scores = collection.search(queries, K, exact=True)[1]
            recall = recall_of(collection.search(queries, K, ef=64)[1], exact_scores)
            exact_ms = timed(lambda query: collection.search(query, K, exact=True), queries)
            graph_ms = timed(lambda query: collection.search(query, K, ef=64), queries)
            exact_line.append((size, exact_ms))
            graph_line.append((size, graph_ms))
            print(f"    {size:7,} | {exact_ms:8.3f} | {graph_ms:7.3f} | {exact_ms / graph_ms:12.1f} | {recall:9.3f}",
                  flush=True)
        before = collection.search(queries, K, ef=64)
        checksum = collection.graph_checksum()
    picture = os.path.join(FOLDER, "growth.svg")
    plot.line_plot(picture, "Brute force against HNSW", f"the {K} nearest of one-line package descriptions, "
                   f"one thread; recall@{K} of HNSW at the end: {recall:.3f}", "points in the collection",
                   "milliseconds a query", {"every vector compared": exact_line, "HNSW, m=16, ef=64": graph_line})
    print(f"  plot: {os.path.relpath(picture, ROOT)}")
    claim(recall >= 0.95, f"recall@{K} at {done:,} points is {recall:.3f} (at least 0.95)")
    if done >= ROWS_TO_TELL:
        exact_growth = exact_line[-1][1] / exact_line[0][1]
        graph_growth = graph_line[-1][1] / graph_line[0][1]
        claim(graph_line[-1][1] < exact_line[-1][1], f"HNSW is {exact_line[-1][1] / graph_line[-1][1]:.1f} times as "
              f"fast as brute force at {done:,} points")
        claim(graph_growth < exact_growth, f"{done // sizes[0]} times the points: brute force takes {exact_growth:.1f} "
              f"times as long, HNSW {graph_growth:.1f} times")
    else:
        print(f"  (no claim on speed: this machine has only {done:,} descriptions)")

    start = time.monotonic()
    with octant.open(path) as database:
        collection = database["titles"]
        collection.search(queries[0], K, ef=64)
        seconds = time.monotonic() - start
        same = all((a == b).all() for a, b in zip(collection.search(queries, K, ef=64), before))
        claim(same, "closed and reopened, the graph gives the same ids and scores")
        claim(collection.graph_checksum() == checksum, "it is the same graph, byte for byte")
    claim(seconds < max(0.25, build / 4), f"reopening took {1000 * seconds:.0f} ms, writing and building "
          f"{build:.1f} s: the graph was read, not rebuilt")


def optimize(queries, path):
    step(7, "Delete a third, then optimize")
    with octant.open(path) as database:
        collection = database["titles"]
        total = len(collection)
        collection.delete(np.arange(0, total, 3, dtype=np.uint64))
        left = len(collection)
        before = collection.search(queries, K, exact=True)
        claim(left == total - (total + 2) // 3, f"{left:,} of {total:,} points are left")
        claim(not (before[0] % 3 == 0).any(), "no deleted point is found, before anything was compacted")
        dead, size = collection.info().deleted_vectors_count, folder_bytes(path)
        start = time.monotonic()
        collection.optimize()
        database.checkpoint()
        seconds = time.monotonic() - start
        print(f"  {dead:,} dead vectors before, {collection.info().deleted_vectors_count:,} after; "
              f"{size / 1e6:.1f} MB on disk before, {folder_bytes(path) / 1e6:.1f} MB after")
        claim(collection.info().deleted_vectors_count == 0, "no dead vector is left")
        after = collection.search(queries, K, exact=True)
        claim(all((a == b).all() for a, b in zip(before, after)), f"optimized in {seconds:.2f} s: exact answers are "
              "the same, bit for bit")
        recall = recall_of(collection.search(queries, K, ef=64)[1], after[1])
        claim(recall >= 0.95, f"recall@{K} of the compacted graph is {recall:.3f} (at least 0.95)")


def main():
    begin = time.monotonic()
    sys.stdout.reconfigure(line_buffering=True)
    os.makedirs(FOLDER, exist_ok=True)
    print(f"Octant {octant.__version__}: the lesson\n")
    packages = debian.Packages()
    print(f"  {len(packages.items):,} descriptions from {packages.source}")
    model = embed.Model(FOLDER)
    loaded = time.monotonic()
    worst, near = model.check()
    claim(near, f"all-MiniLM-L6-v2 in numpy gives the published cosines (largest deviation {worst:.6f})")
    lesson = Lesson(model, packages)
    titles = packages.lines(TITLES + QUERIES)
    held_out = min(QUERIES, len(titles) // 10)
    vectors = model.encode(titles, f"embedding {len(titles):,} one-line descriptions")
    queries, rows = vectors[:held_out], vectors[held_out:]

    answers = first_search(lesson)
    path = fresh("lesson")
    three_doors(lesson, answers, path)
    reopen(lesson, answers, path)
    overwrite(lesson, path)
    tune(rows[:12000], queries, fresh("tune"))
    path = fresh("titles")
    grow(rows, queries, path)
    optimize(queries, path)

    print(f"\n{claims['held']} claims held, {claims['failed']} failed; {time.monotonic() - begin:.0f} s "
          f"({loaded - begin:.0f} s of them for the model's download and load)")
    return 1 if claims["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
