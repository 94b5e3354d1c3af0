-- What was decided: a call to Bedrock, a tool call that an answer proposed (or that whoever runs the tool asked about), or a
-- stretch of an answer's text. Rows from before are calls. `tool` is the tool's first name.
ALTER TABLE decisions ADD COLUMN kind TEXT NOT NULL DEFAULT 'call' CHECK (kind IN ('call', 'tool_call', 'answer_text'));
ALTER TABLE decisions ADD COLUMN tool TEXT;
-- Calls are not in it, so that they do not pay for it. It is all that counting tool calls of the last day reads.
CREATE INDEX decisions_found ON decisions (kind, seq, principal, tool) WHERE kind <> 'call';
