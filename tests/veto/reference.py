"""The evaluator of the `veto` package, driven line by line: what our reading of its rules is compared with, and timed against.

    reference.py decide < batches.jsonl   each line {"rules": [...], "calls": [{tool, arguments, agent, time, history}]}
                                          answers a line [{"decision", "rule", "matched": [ids]}]
    reference.py outputs < batches.jsonl  each line {"rules": [output rules], "outputs": [{tool, output}]} answers likewise
    reference.py time RULES.json CALL.json COUNT   microseconds per decision, one number per line
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from datetime import datetime, timezone

import yaml
from veto import Veto
from veto.core.history import ToolCallHistoryEntry
from veto.core.veto import VetoOptions
from veto.types import ValidationContext

logging.disable(logging.CRITICAL)


async def load(rules, output_rules=()):
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "rules"))
        with open(os.path.join(folder, "veto.config.yaml"), "w") as config:
            yaml.safe_dump({"version": "1.0", "mode": "strict", "validation": {"mode": "local"}}, config)
        with open(os.path.join(folder, "rules", "rules.yaml"), "w") as file:
            document = {"version": "1.0", "name": "compared", "rules": rules}
            if output_rules:
                document["output_rules"] = output_rules
            yaml.safe_dump(document, file)
        made = await Veto.init(VetoOptions(config_dir=folder, mode="strict", validation_mode="local", log_level="silent"))
    loaded = {rule["id"] for rule in made._rules.all_rules}
    expected = {rule["id"] for rule in rules if rule.get("enabled", True)}
    if loaded != expected:
        raise SystemExit(f"rules were not loaded: {sorted(expected - loaded)}")
    return made


def judge(veto, asked):
    result = veto._output_validator.validate(asked["tool"], asked["output"])
    return {"decision": result.decision, "matched": sorted(set(result.matched_rule_ids or []))}


def moment(text):
    return datetime.fromisoformat(text).astimezone(timezone.utc)


def context(call):
    history = [
        ToolCallHistoryEntry(
            tool_name=seen["tool"],
            arguments=seen["arguments"],
            validation_result={"decision": "allow"},
            timestamp=moment(seen["time"]),
        )
        for seen in call.get("history", [])
    ]
    return ValidationContext(
        tool_name=call["tool"],
        arguments=call["arguments"],
        call_id="c",
        timestamp=moment(call["time"]),
        call_history=history,
        agent_id=call.get("agent"),
        source="guard",
    )


async def decide(veto, call):
    asked = context(call)
    result = await veto._validate_with_local(asked)
    local = veto._build_local_evaluation_context(asked)
    rules = veto._get_rules_for_tool(asked.tool_name)
    matched = [rule["id"] for rule in rules if veto._matches_local_rule(rule, asked, local)]
    return {"decision": result.decision, "rule": (result.metadata or {}).get("rule_id"), "matched": sorted(set(matched))}


async def main():
    if sys.argv[1] == "decide":
        for line in sys.stdin:
            batch = json.loads(line)
            veto = await load(batch["rules"])
            answers = [await decide(veto, call) for call in batch["calls"]]
            print(json.dumps(answers), flush=True)
    elif sys.argv[1] == "outputs":
        for line in sys.stdin:
            batch = json.loads(line)
            veto = await load([], batch["rules"])
            print(json.dumps([judge(veto, asked) for asked in batch["outputs"]]), flush=True)
    else:
        rules, call = (json.load(open(path)) for path in sys.argv[2:4])
        veto = await load(rules)
        asked = context(call)
        for _ in range(int(sys.argv[4])):
            begun = time.perf_counter()
            for _ in range(10):
                await veto._validate_with_local(asked)
            print((time.perf_counter() - begun) / 10 * 1e6)


asyncio.run(main())
