// An application that nobody changed: the AWS SDK for JavaScript, configured by environment variables alone. Calls the
// operations named on the command line, `Operation[=model]`, each with $MARK in its text, and prints one line
// `OUT {json}` for each: what came of it, and what left the SDK for it.
import { createHash } from 'node:crypto';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import {
  BedrockAgentRuntimeClient,
  InvokeAgentCommand,
  RetrieveAndGenerateCommand,
} from '@aws-sdk/client-bedrock-agent-runtime';

const sent = [];
const runtime = observed(new BedrockRuntimeClient());
const agents = observed(new BedrockAgentRuntimeClient());

// Only notes what leaves the SDK and comes back; nothing is changed.
function observed(client) {
  const note = (next) => async (args) => {
    const { path, body } = args.request;
    const one = { path, sha256: createHash('sha256').update(body ?? '').digest('hex') };
    sent.push(one);
    try {
      const result = await next(args);
      Object.assign(one, head(result.response));
      return result;
    } catch (error) {
      Object.assign(one, head(error.$response));
      throw error;
    }
  };
  client.middlewareStack.add(note, { step: 'deserialize', priority: 'low', name: 'note' });
  return client;
}

function head(response) {
  return {
    status: response?.statusCode,
    decision: response?.headers?.['x-portcullis-decision-id'],
  };
}

const messages = (text) => [{ role: 'user', content: [{ text }] }];
const body = (content) =>
  JSON.stringify({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 64, messages: [{ role: 'user', content }] });
const utf8 = (bytes) => new TextDecoder().decode(bytes);

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const operations = {
  async Converse(modelId, text) {
    const answer = await runtime.send(new ConverseCommand({ modelId, messages: messages(text) }));
    return { text: answer.output.message.content[0].text, stopReason: answer.stopReason };
  },
  async ConverseStream(modelId, text) {
    const answer = await runtime.send(new ConverseStreamCommand({ modelId, messages: messages(text) }));
    const events = await all(answer.stream);
    const said = events.map((event) => event.contentBlockDelta?.delta.text ?? '').join('');
    return { text: said, last: Object.keys(events.at(-1))[0] };
  },
  async InvokeModel(modelId, text) {
    const answer = await runtime.send(new InvokeModelCommand({ modelId, body: body(text) }));
    return { text: JSON.parse(utf8(answer.body)).content[0].text };
  },
  async InvokeModelWithResponseStream(modelId, text) {
    const command = new InvokeModelWithResponseStreamCommand({ modelId, body: body(text) });
    const events = await all((await runtime.send(command)).body);
    const chunks = events.map((event) => JSON.parse(utf8(event.chunk.bytes)));
    return { text: chunks.map((chunk) => chunk.delta?.text ?? '').join(''), last: chunks.at(-1).type };
  },
  async InvokeAgent(_model, inputText) {
    const command = new InvokeAgentCommand({
      agentId: 'AGENT12345', agentAliasId: 'ALIAS12345', sessionId: 'js-session', inputText,
    });
    const events = await all((await agents.send(command)).completion);
    return { text: events.map((event) => (event.chunk ? utf8(event.chunk.bytes) : '')).join('') };
  },
  async RetrieveAndGenerate(model, text) {
    const answer = await agents.send(new RetrieveAndGenerateCommand({
      input: { text },
      retrieveAndGenerateConfiguration: {
        type: 'KNOWLEDGE_BASE',
        knowledgeBaseConfiguration: {
          knowledgeBaseId: 'KB12345678',
          modelArn: `arn:aws:bedrock:us-east-1::foundation-model/${model}`,
        },
      },
    }));
    return { text: answer.output.text };
  },
};

for (const argument of process.argv.slice(2)) {
  const [operation, model = 'anthropic.claude-3-5-sonnet-20241022-v2:0'] = argument.split('=');
  sent.length = 0;
  let result;
  try {
    result = { ok: await operations[operation](model, `${process.env.MARK} ${operation}`) };
  } catch (error) {
    result = { error: error.name, message: error.message, status: error.$metadata?.httpStatusCode };
  }
  console.log(`OUT ${JSON.stringify({ operation, result, sent })}`);
}
runtime.destroy();
agents.destroy();
