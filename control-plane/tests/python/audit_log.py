"""A second implementation of the log's format (docs/audit.md), which shares nothing with the first.

    audit_log.py vectors testdata/audit
    audit_log.py server http://127.0.0.1:8180 --token TOKEN --key VKEY [--id ID …]
    audit_log.py export records.jsonl --checkpoint checkpoint --key VKEY

The standard library, and `cryptography` for Ed25519. Says what it compared, as JSON; ends with 1 at the first contradiction.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import struct
import sys
import urllib.error
import urllib.parse
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

WIDTH = 256


class Wrong(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Wrong(what)


# --- the tree (RFC 6962 §2.1), by its own definitions ---------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split(count):
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def root_of(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(root_of(leaves[:k]), root_of(leaves[k:]))


def root_from_inclusion(index, size, leaf, path):
    """The root that an inclusion proof leads to, by recursion on the tree's shape; `None` where its length is wrong."""
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    k = split(size)
    if index < k:
        left = root_from_inclusion(index, k, leaf, path[:-1])
        return left and node_hash(left, path[-1])
    right = root_from_inclusion(index - k, size - k, leaf, path[:-1])
    return right and node_hash(path[-1], right)


def roots_from_consistency(old, new, proof, old_root, whole=True):
    """The roots of both trees that a consistency proof leads to; `None` where its length is wrong."""
    if old == new:
        if whole:
            return (old_root, old_root) if not proof else None
        return (proof[0], proof[0]) if len(proof) == 1 else None
    if not proof:
        return None
    k = split(new)
    if old <= k:
        roots = roots_from_consistency(old, k, proof[:-1], old_root, whole)
        return roots and (roots[0], node_hash(roots[1], proof[-1]))
    roots = roots_from_consistency(old - k, new - k, proof[:-1], old_root, False)
    return roots and (node_hash(proof[-1], roots[0]), node_hash(proof[-1], roots[1]))


def verify_consistency(old, new, proof, old_root, new_root):
    if old == 0:
        return not proof and old_root == sha256(b"")
    return roots_from_consistency(old, new, proof, old_root) == (old_root, new_root)


# --- notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ---------------------------------------------------------


class Key:
    def __init__(self, vkey):
        self.name, self.id, data = vkey.strip().split("+", 2)
        data = base64.b64decode(data, validate=True)
        self.algorithm, self.public = data[0], data[1:]
        digest = sha256(self.name.encode() + b"\n" + data)
        check(digest[:4].hex() == self.id, f"the id of the key `{vkey}` is another")

    def verify(self, text, signature):
        message = text.encode()
        time = None
        if self.algorithm == 4:
            (time,) = struct.unpack(">Q", signature[:8])
            message, signature = f"cosignature/v1\ntime {time}\n".encode() + message, signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise Wrong(f"the signature of `{self.name}` does not verify") from None
        return time


def open_note(note, keys):
    """The text of a note, once one of the keys has signed it and none of them wrongly."""
    at = note.rindex("\n\n")
    text, lines = note[: at + 1], note[at + 2 :]
    check(lines.endswith("\n"), "a note ends with a line end")
    signed = 0
    for line in lines[:-1].split("\n"):
        dash, name, data = line.split(" ")
        check(dash == "\u2014", "a signature begins with a dash")
        data = base64.b64decode(data, validate=True)
        for key in keys:
            if key.name == name and key.id == data[:4].hex():
                key.verify(text, data[4:])
                signed += 1
    check(signed, "no known key has signed it")
    return text


def open_checkpoint(note, keys):
    origin, size, root = open_note(note, keys)[:-1].split("\n")[:3]
    check(origin == keys[0].name, f"the checkpoint is of `{origin}`")
    return int(size), base64.b64decode(root, validate=True)


# --- records and entries ----------------------------------------------------------------------------------------------------------------


def number(value):
    """As ECMAScript writes it (RFC 8785 §3.2.2.3)."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # Where the point stands in `digits`.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def canonical(value):
    """RFC 8785."""
    if value is None or value is True or value is False:
        return json.dumps(value)
    if isinstance(value, str):
        # Python escapes U+007F and nothing else that RFC 8785 leaves alone.
        return json.dumps(value, ensure_ascii=False).replace("\\u007f", "\x7f")
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"


ID = {"decision": "decision_id", "tool_call": "decision_id", "answer_text": "decision_id", "outcome": "call_id"}


def entry_of(record, kind, time_ms):
    """The entry that a record must have."""
    digest = hashlib.sha256(canonical(record).encode()).hexdigest()
    return {"id": record[ID.get(kind, "event_id")], "kind": kind, "sha256": digest, "time_ms": time_ms}


def check_line(text, index):
    """A line of an export; gives its leaf."""
    line = json.loads(text)
    check(canonical(line) == text, f"line {index} is not canonical")
    check(line["index"] == index, f"line {index} says that it is {line['index']}")
    entry = line["entry"]
    if "record" in line:
        check(entry_of(line["record"], entry["kind"], entry["time_ms"]) == entry, f"record {index} is not that of its entry")
    return leaf_hash(canonical(entry).encode())


# --- vectors ------------------------------------------------------------------------------------------------------------------------------


def vectors(directory):
    done = {"roots": 0, "inclusion": 0, "consistency": 0, "notes": 0, "cosignatures": 0, "canonical": 0}
    tree = json.loads((directory / "rfc6962.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves"]]
    roots = [bytes.fromhex(tree["empty_root"])] + [bytes.fromhex(root) for root in tree["roots"]]
    for size, root in enumerate(roots):
        check(root_of(leaves[:size]) == root, f"root of {size}")
        done["roots"] += 1
    for case in tree["inclusion"]:
        path = [bytes.fromhex(hash) for hash in case["proof"]]
        found = root_from_inclusion(case["index"], case["size"], leaves[case["index"]], path)
        check(found == roots[case["size"]], f"inclusion {case}")
        done["inclusion"] += 1
    for case in tree["consistency"]:
        proof = [bytes.fromhex(hash) for hash in case["proof"]]
        check(verify_consistency(case["old"], case["new"], proof, roots[case["old"]], roots[case["new"]]), f"consistency {case}")
        done["consistency"] += 1
    notes = json.loads((directory / "notes.json").read_text())
    for case in notes["notes"]:
        key = Key(case["vkey"])
        text = open_note(case["note"], [key])
        if "seed" in case:
            signature = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"])).sign(text.encode())
            line = base64.b64encode(bytes.fromhex(key.id) + signature).decode()
            check(line in case["note"], f"{key.name} signs to other bytes")
        done["notes"] += 1
    for case in notes["cosignatures"]:
        key, data = Key(case["vkey"]), base64.b64decode(case["line"].split(" ")[2])
        check(key.verify(case["text"], data[4:]) == case["time_s"], "the time of the cosignature")
        done["cosignatures"] += 1
    form = json.loads((directory / "rfc8785.json").read_text())
    for bits, text in form["numbers"]:
        check(canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == text, f"number {bits}: {text}")
        done["canonical"] += 1
    for case in form["texts"]:
        check(canonical(json.loads(case["input"])) == case["canonical"], case["about"])
        done["canonical"] += 1
    return done


# --- a running server -----------------------------------------------------------------------------------------------------------------------


class Api:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def get(self, path, **query):
        query = {name.rstrip("_"): value for name, value in query.items()}
        url = f"{self.url}/v1/audit/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {self.token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return answer.read()


def tile_path(level, index, width=WIDTH):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"log/tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")


def entries_of(api, size):
    entries = []
    for tile in range((size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, size - tile * WIDTH)
        data = api.get(tile_path("entries", tile, width))
        count = 0
        while data:
            (length,) = struct.unpack(">H", data[:2])
            check(len(data) >= 2 + length, f"bundle {tile} is cut")
            entries.append(data[2 : 2 + length])
            data, count = data[2 + length :], count + 1
        check(count == width, f"bundle {tile} has {count} entries, not {width}")
    return entries


def check_tiles(api, leaves):
    """Every tile of every level."""
    level, hashes, tiles = 0, leaves, 0
    while hashes:
        for tile in range((len(hashes) + WIDTH - 1) // WIDTH):
            expected = hashes[tile * WIDTH : (tile + 1) * WIDTH]
            data = api.get(tile_path(level, tile, len(expected)))
            check(data == b"".join(expected), f"tile {tile} of level {level} differs")
            tiles += 1
        full = len(hashes) // WIDTH
        hashes = [root_of(hashes[tile * WIDTH : (tile + 1) * WIDTH]) for tile in range(full)]
        level += 1
    return tiles


def hashes64(texts):
    return [base64.b64decode(text, validate=True) for text in texts]


def server(api, keys, ids):
    done = {"inclusion": 0, "consistency": 0, "checkpoints": 0, "records": 0}
    note = api.get("checkpoint").decode()
    size, root = open_checkpoint(note, keys)
    done["size"] = size
    entries = entries_of(api, size)
    for at, entry in enumerate(entries):
        check(canonical(json.loads(entry)).encode() == entry, f"entry {at} is not canonical")
    leaves = [leaf_hash(entry) for entry in entries]
    check(root_of(leaves) == root, "the entries do not give the signed root")
    done["tiles"] = check_tiles(api, leaves)

    # Every checkpoint that is kept is one of the same log.
    after = 0
    sizes = {1, size // 3, size // 2, size}
    while True:
        page = json.loads(api.get("checkpoints", after=after, limit=1000))["checkpoints"]
        for kept in page:
            kept_size, kept_root = open_checkpoint(kept["note"], keys)
            if kept_size <= size:
                check(root_of(leaves[:kept_size]) == kept_root, f"the checkpoint of {kept_size} records differs")
                done["checkpoints"] += 1
                sizes.add(kept_size)
        if not page or page[-1]["size"] <= after:
            break
        after = page[-1]["size"]

    places = {0, size - 1, size // 2} | {at * 37 % size for at in range(40)}
    for index in sorted(places):
        for within in {size, index + 1}:
            proof = json.loads(api.get("proof/inclusion", index=index, size=within))
            found = root_from_inclusion(index, within, leaves[index], hashes64(proof["hashes"]))
            check(found == root_of(leaves[:within]), f"inclusion of {index} in {within}")
            check(proof["entry"] == json.loads(entries[index]), f"the entry of {index}")
            done["inclusion"] += 1
    for name in ids:
        proof = json.loads(api.get("proof/inclusion", id=name))
        check(proof["entry"]["id"] == name, f"the proof is about {proof['entry']['id']}")
        proved_size, proved_root = open_checkpoint(proof["checkpoint"], keys)
        leaf = leaf_hash(canonical(proof["entry"]).encode())
        found = root_from_inclusion(proof["index"], proved_size, leaf, hashes64(proof["hashes"]))
        check(found == proved_root and proved_size == proof["size"], f"inclusion of {name}")
        done["inclusion"] += 1
    sizes = sorted(size for size in sizes if size > 0)[:40] + [size]
    for old in sizes:
        for new in sizes[-4:]:
            if old <= new:
                proof = json.loads(api.get("proof/consistency", from_=old, to=new))
                held = verify_consistency(old, new, hashes64(proof["hashes"]), root_of(leaves[:old]), root_of(leaves[:new]))
                check(held, f"consistency of {old} and {new}")
                done["consistency"] += 1

    # The records themselves lead to the same leaves.
    try:
        lines = api.get("records", **{"from": 0, "limit": size}).decode().splitlines()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        lines = []
    for index, line in enumerate(lines[:size]):
        check(check_line(line, index) == leaves[index], f"record {index} is not the one in the tree")
        done["records"] += 1
    return done


def export(path, note, keys):
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    leaves = [check_line(line, index) for index, line in enumerate(lines)]
    size, root = open_checkpoint(note, keys)
    check(size == len(leaves) and root_of(leaves) == root, "the records do not give the signed root")
    return {"records": size}


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("vectors")
    command.add_argument("directory", type=pathlib.Path)
    command = commands.add_parser("server")
    command.add_argument("url")
    command.add_argument("--token", required=True)
    command.add_argument("--key", action="append", required=True)
    command.add_argument("--id", action="append", default=[])
    command = commands.add_parser("export")
    command.add_argument("path", type=pathlib.Path)
    command.add_argument("--checkpoint", type=pathlib.Path, required=True)
    command.add_argument("--key", action="append", required=True)
    args = parser.parse_args()
    try:
        if args.command == "vectors":
            done = vectors(args.directory)
        elif args.command == "server":
            done = server(Api(args.url, args.token), [Key(key) for key in args.key], args.id)
        else:
            done = export(args.path, args.checkpoint.read_text(encoding="utf-8"), [Key(key) for key in args.key])
    except Wrong as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
