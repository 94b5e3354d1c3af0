"""A witness of https://c2sp.org/tlog-witness, written from the specification alone: nothing of it is shared with what it watches.

Usage: witness.py STATE_FILE NAME, with the log's verifier key on standard input. Prints its own verifier key and its URL as JSON, then
serves until it is killed. `GET /seen` tells what it has cosigned last.
"""
import base64, hashlib, http.server, json, os, sys, time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def key_id(name, algorithm, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def consistent(old, old_root, new, new_root, proof):
    """RFC 9162 section 2.1.4.2."""
    if old == 0:
        return not proof
    if old == new:
        return not proof and old_root == new_root
    if old > new or not proof:
        return False
    if old & (old - 1) == 0:
        proof = [old_root] + proof
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for hash in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(hash, fr), node(hash, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, hash)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root


class Refuse(Exception):
    def __init__(self, status, text, kind="text/plain"):
        self.status, self.text, self.kind = status, text, kind


class Witness(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, json.dumps(state), "application/json")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        try:
            self.answer(200, self.add_checkpoint(body), "text/plain")
        except Refuse as refuse:
            self.answer(refuse.status, refuse.text, refuse.kind)

    def add_checkpoint(self, body):
        if self.path != "/add-checkpoint":
            raise Refuse(404, "not here")
        head, _, note = body.partition("\n\n")
        old, *proof = head.split("\n")
        old = int(old.removeprefix("old "))
        proof = [base64.b64decode(line, validate=True) for line in proof]
        text, _, lines = note.partition("\n\n")
        text += "\n"
        origin, size, root = text.split("\n")[:3]
        size, root = int(size), base64.b64decode(root, validate=True)
        if origin != log_name:
            raise Refuse(404, "unknown log")
        if not any(signed(text, line) for line in lines.splitlines()):
            raise Refuse(403, "not signed by the log")
        if old > size:
            raise Refuse(400, "old is larger than the checkpoint")
        if old != state["size"]:
            raise Refuse(409, f"{state['size']}\n", "text/x.tlog.size")
        if old == size and root.hex() != state["root"]:
            raise Refuse(409, f"{state['size']}\n", "text/x.tlog.size")
        if not consistent(old, bytes.fromhex(state["root"]), size, root, proof):
            raise Refuse(422, "the proof does not hold")
        state.update(size=size, root=root.hex(), count=state["count"] + 1)
        with open(sys.argv[1] + ".partial", "w") as file:
            json.dump(state, file)
        os.replace(sys.argv[1] + ".partial", sys.argv[1])
        now = int(time.time())
        signature = own.sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        line = key_id(name, 4, public) + now.to_bytes(8, "big") + signature
        return f"\u2014 {name} {base64.b64encode(line).decode()}\n"

    def answer(self, status, text, kind):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def signed(text, line):
    dash, signer, signature = line.split(" ")
    signature = base64.b64decode(signature, validate=True)
    if dash != "\u2014" or signer != log_name or signature[:4] != key_id(log_name, 1, log_public):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(log_public).verify(signature[4:], text.encode())
        return True
    except InvalidSignature:
        return False


name = sys.argv[2]
log_name, _, key = sys.stdin.readline().strip().split("+", 2)
log_public = base64.b64decode(key, validate=True)[1:]
# The same key every time, from its name: a witness that forgot its key would be another one.
own = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
public = own.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
state = {"size": 0, "root": hashlib.sha256(b"").hexdigest(), "count": 0}
if os.path.exists(sys.argv[1]):
    state = json.load(open(sys.argv[1]))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
vkey = f"{name}+{key_id(name, 4, public).hex()}+{base64.b64encode(bytes([4]) + public).decode()}"
print(json.dumps({"key": vkey, "url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
server.serve_forever()
