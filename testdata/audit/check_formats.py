"""Reads the formats of an export with other people's programs, and compares them with its JSON Lines.

    check_formats.py DIRECTORY     with records.jsonl, records.ocsf.jsonl, records.parquet, records.intoto.jsonl and key
"""

import base64
import datetime
import hashlib
import json
import sys
from pathlib import Path

import jsonschema
import pyarrow.parquet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ocsf.v1_7_0.events import ApiActivity

HERE = Path(__file__).resolve().parent
DIRECTORY = Path(sys.argv[1])
EVENTS = {"approval", "bundle", "admin", "gap"}


def lines(name):
    return [json.loads(line) for line in (DIRECTORY / name).read_text().splitlines()]


def canonical(value):
    """RFC 8785 of what records have in them: strings, integers, booleans, ASCII keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def entry_of(line):
    return canonical(line["entry"])


def check_jsonl(records):
    schema = json.loads((HERE / "../../schemas/audit-record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for line, text in zip(records, (DIRECTORY / "records.jsonl").read_bytes().splitlines()):
        validator.validate(line)
        assert canonical(line) == text, f"line {line['index']} is not canonical"
        if "record" in line:
            assert hashlib.sha256(canonical(line["record"])).hexdigest() == line["entry"]["sha256"], line["index"]
            for where in (line, line["record"]):
                where["surprise"] = 1
                assert not validator.is_valid(line), "a member that no type has must be found"
                del where["surprise"]
    print(f"jsonl: {len(records)} records fit schemas/audit-record.schema.json, and are what their entries say")


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def within_the_model(event):
    """The models of pydantic-ocsf are a second opinion, with two faults: they take the HTTP method, a string by OCSF's dictionary, for a
    number, and do not know the activity 0, which every class inherits."""
    request = {key: value for key, value in event.get("http_request", {"user_agent": "none"}).items() if key != "http_method"}
    known = {"activity_id": 99, "type_uid": 600399} if event["activity_id"] == 0 else {}
    return {**event, "http_request": request, **known}


def check_ocsf(records):
    schema = json.loads((HERE / "ocsf/api_activity-1.7.0.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    events = lines("records.ocsf.jsonl")
    told = []
    for event in events:
        errors = [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(event)]
        assert not errors, f"{event['metadata']['uid']}: {errors}"
        ApiActivity.model_validate(within_the_model(event))
        assert event["type_uid"] == 600300 + event["activity_id"]
        for text in strings(event):
            assert len(text) <= 512 and text.isprintable(), repr(text)
        told += [event["unmapped"]["log_index"], *[v for k, v in event["unmapped"].items() if k == "outcome_log_index"]]
    # The last outcome of a call is in the event of its decision; every record is told, and once.
    assert sorted(told) == [line["index"] for line in records], told
    folded = [event for event in events if "outcome_log_index" in event["unmapped"]]
    if not REPRESENTATIVE:
        print(f"ocsf: {len(events)} events of {len(records)} records fit the class API Activity of OCSF 1.7.0")
        return
    assert folded and folded[0]["api"]["request"]["uid"] == "5c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
    assert folded[0]["unmapped"]["tokens"]["input"] == 412 and folded[0]["status"] == "Success"
    print(f"ocsf: {len(events)} events of {len(records)} records fit the class API Activity of OCSF 1.7.0")


def at(record, *path):
    for key in path:
        if not record or key not in record:
            return None
        record = record[key]
    return record if record not in ("",) else None


def of(line, kinds, *path):
    return at(line.get("record"), *path) if line["entry"]["kind"] in kinds else None


DECISIONS, OUTCOMES = {"decision", "tool_call", "answer_text"}, {"outcome"}


def d(*path):
    return lambda line: of(line, DECISIONS, *path)


def o(*path):
    return lambda line: of(line, OUTCOMES, *path)


def first(*ways):
    return lambda line: next((found for way in ways if (found := way(line)) is not None), None)


def yes(way, kinds):
    """A member that is left out where it is false."""
    return lambda line: (bool(way(line)) if line.get("record") and line["entry"]["kind"] in kinds else None)


def count(way, has):
    return lambda line: (way(line) or 0) if has(line) is not None else None


def price(member):
    def find(line):
        charges = [c for c in of(line, DECISIONS, "charges") or [] if "price" in c]
        return (charges[0]["price"][member] if member != "amount" else charges[0]["amount"]) if charges else None

    return find


def when(ms):
    return None if ms is None else datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=ms)


USAGE = o("usage")
EXPECTED = {
    "index": lambda line: line["index"],
    "kind": lambda line: line["entry"]["kind"],
    "id": lambda line: line["entry"]["id"],
    "time": lambda line: when(line["entry"]["time_ms"]),
    "record_time": lambda line: when(
        first(d("decided_at_ms"), o("recorded_at_ms"), lambda line: of(line, EVENTS, "at_ms"))(line)
    ),
    "leaf": lambda line: hashlib.sha256(b"\0" + entry_of(line)).digest(),
    "record_sha256": lambda line: bytes.fromhex(line["entry"]["sha256"]),
    "call_id": first(d("call_id"), o("call_id")),
    "decision_id": first(d("decision_id"), o("decision_id")),
    "parent": d("parent"),
    "correlation_id": d("correlation_id"),
    "gate": first(d("gate"), o("gate")),
    "entrance": d("entrance"),
    "principal": d("principal", "name"),
    "assurance": first(d("principal", "assurance"), o("assurance")),
    "tenant": d("principal", "tenant"),
    "access_key_id": d("credential", "access_key_id"),
    "account": first(d("model", "account"), d("credential", "account_hint")),
    "source_address": d("source", "address"),
    "cloud": lambda line: (at(of(line, DECISIONS, "endpoint"), "provider") or "aws") if of(line, DECISIONS, "endpoint") else None,
    "service": d("endpoint", "service"),
    "region": d("endpoint", "region"),
    "operation": d("operation"),
    "action": d("action"),
    "model": d("model", "id"),
    "model_base": d("model", "base"),
    "model_provider": d("model", "provider"),
    "agent": d("agent", "id"),
    "agent_alias": d("agent", "alias"),
    "session": d("agent", "session"),
    "tool": lambda line: (of(line, DECISIONS, "tool", "names") or [None])[0],
    "route": d("route"),
    "verdict": d("verdict", "kind"),
    "rule": d("policy", "rule"),
    "shadow_verdict": d("policy", "shadow"),
    "bundle": d("policy", "bundle"),
    "bundle_version": d("policy", "version"),
    "bundle_digest": d("policy", "digest"),
    "approval_id": first(d("approval", "id"), d("verdict", "approval_id")),
    "problem": d("problem", "code"),
    "request_sha256": d("request", "sha256"),
    "request_bytes": d("request", "bytes"),
    "stream": yes(d("request", "stream"), DECISIONS),
    "currency": price("currency"),
    "reserved_nanos": price("amount"),
    "price_input": price("input"),
    "price_output": price("output"),
    "price_cache_read": price("cache_read"),
    "price_cache_write": price("cache_write"),
    "outcome": o("state"),
    "outcome_reason": o("reason"),
    "status": o("status"),
    "aws_request_id": o("aws_request_id"),
    "error_type": o("error_type"),
    "forwarded": o("forwarded"),
    "response_bytes": o("response_bytes"),
    "response_sha256": o("answer", "sha256"),
    "duration_ms": o("duration_ms"),
    "first_byte_ms": o("answer", "first_byte_ms"),
    "decision_ms": o("decision_ms"),
    "stop_reason": o("answer", "stop_reason"),
    "guardrail_action": o("answer", "guardrail", "action"),
    "input_tokens": count(o("usage", "input_tokens"), USAGE),
    "output_tokens": count(o("usage", "output_tokens"), USAGE),
    "cache_read_tokens": count(o("usage", "cache_read_tokens"), USAGE),
    "cache_write_tokens": count(o("usage", "cache_write_tokens"), USAGE),
    "tool_calls": count(o("usage", "tool_calls"), USAGE),
    "actor": lambda line: of(line, EVENTS, "actor"),
    "event": lambda line: of(line, EVENTS, "detail", "what"),
    "record": lambda line: canonical(line["record"]).decode() if "record" in line else None,
}


def check_parquet(records):
    table = pyarrow.parquet.read_table(DIRECTORY / "records.parquet")
    metadata = pyarrow.parquet.read_metadata(DIRECTORY / "records.parquet").metadata
    assert metadata[b"portcullis.schema"] == b"1", metadata
    assert table.schema.names == list(EXPECTED), set(table.schema.names) ^ set(EXPECTED)
    documented = [row.split("|") for row in (HERE / "../../docs/audit.md").read_text().splitlines() if row.startswith("| `")]
    documented = {row[1].strip().strip("`"): row[2].strip() for row in documented}
    for field in table.schema:
        said = f"{field.type}".replace("extension<arrow.json>", "string") + ("" if field.nullable else ", required")
        assert documented.get(field.name) == said, f"docs/audit.md says {documented.get(field.name)!r} of {field.name}, which is {said!r}"
    values = 0
    for line, row in zip(records, table.to_pylist(), strict=True):
        for name, found in row.items():
            expected = EXPECTED[name](line)
            assert found == expected, f"{name} of record {line['index']} is {found!r} and not {expected!r}"
            values += 1
    filled = list(EXPECTED) if not REPRESENTATIVE else [name for name in table.schema.names if table[name].null_count < len(table)]
    assert set(filled) == set(EXPECTED), f"never filled: {set(EXPECTED) - set(filled)}"
    print(f"parquet: {values} values of {len(table.schema)} columns are those of the JSON Lines")


def check_intoto(records):
    name, ident, key = (DIRECTORY / "key").read_text().strip().split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    envelopes = lines("records.intoto.jsonl")
    for line, envelope in zip(records, envelopes, strict=True):
        kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        (signature,) = envelope["signatures"]
        assert signature["keyid"] == f"{name}+{ident}" and kind == b"application/vnd.in-toto+json"
        # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
        pae = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
        public.verify(base64.b64decode(signature["sig"]), pae)
        statement = json.loads(payload)
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == "https://portcullis.dev/audit/record/v1"
        predicate = statement["predicate"]
        assert predicate["log"] == {"origin": name, "index": line["index"]} and predicate["entry"] == line["entry"]
        assert predicate.get("record") == line.get("record")
        digests = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
        assert digests[line["entry"]["id"] + "/record"] == line["entry"]["sha256"]
        about = first(d("tool", "arguments_sha256"), d("text", "sha256"), d("request", "sha256"), o("answer", "sha256"))(line)
        assert about is None or about in digests.values(), (about, digests)
        if "inclusion" in predicate:
            check_inclusion(line, predicate["inclusion"], public)
    print(f"in-toto: {len(envelopes)} statements are signed by the log's key, and about what their records are about")


def check_inclusion(line, inclusion, public):
    """RFC 9162, 2.1.3.2; C2SP signed-note and tlog-checkpoint."""
    text, signatures = inclusion["checkpoint"].split("\n\n", 1)
    signed = [base64.b64decode(row.split(" ")[2])[4:] for row in signatures.splitlines()]
    public.verify(signed[0], (text + "\n").encode())
    _, size, root = text.split("\n")[:3]
    assert int(size) == inclusion["size"]
    node = hashlib.sha256(b"\0" + entry_of(line)).digest()
    index, last = line["index"], inclusion["size"] - 1
    for sibling in map(base64.b64decode, inclusion["hashes"]):
        assert last > 0
        if index & 1 or index == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    assert last == 0 and node == base64.b64decode(root), f"record {line['index']} is not in the tree of its checkpoint"


records = lines("records.jsonl")
# Those of testdata/audit/records/ say everything that a record can say.
REPRESENTATIVE = records[0]["entry"]["id"] == "0199e2a4-7c10-7abc-8def-0123456789ab"
check_jsonl(records)
check_ocsf(records)
check_parquet(records)
check_intoto(records)
