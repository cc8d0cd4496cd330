// The official TypeScript SDK, versions 1 and 2, over standard streams and over HTTP: what a client does from its
// first words to a run's end, against amk-mcp itself.
import { amkMcp, checkpoint, expect, load, main, scratch, startHttp, stop, strippedEnvironment } from './support.mjs';

const patience = { timeout: 60000 };
/** Runs for a second or so, in steps. */
const slow = { name: 'amk_eval', arguments: { model: checkpoint, positions: 128, gpu: 'none', threads: 1 } };
/** Runs for far longer than it is left to. */
const endless = { name: 'amk_eval', arguments: { model: 'synthetic:smollm2-135m', gpu: 'none', threads: 1, wait_s: 200 } };

/** Each SDK as {client, stdio, http, call}; `call` hides that version 1 has a parameter more. */
async function sdks() {
  const v1 = {
    ...(await load('@modelcontextprotocol/sdk/client/index.js')),
    ...(await load('@modelcontextprotocol/sdk/client/stdio.js')),
    ...(await load('@modelcontextprotocol/sdk/client/streamableHttp.js')),
  };
  const v2 = { ...(await load('@modelcontextprotocol/client')), ...(await load('@modelcontextprotocol/client/stdio')) };
  const who = { name: 'amk-clients', version: '1' };
  const legacy = (client, tool, options) => client.callTool(tool, undefined, { ...patience, ...options });
  const modern = (client, tool, options) => client.callTool(tool, { ...patience, ...options });
  const negotiating = (versionNegotiation) => () => new v2.Client(who, { versionNegotiation });
  return [
    { name: 'v1', modules: v1, make: () => new v1.Client(who), call: legacy, version: '2025-11-25' },
    { name: 'v2 initialize', modules: v2, make: negotiating({ mode: 'legacy' }), call: modern, version: '2025-11-25' },
    { name: 'v2 discover', modules: v2, make: negotiating({ mode: 'auto' }), call: modern, version: '2026-07-28' },
  ];
}

async function rejection(promise) {
  try {
    return { result: await promise };
  } catch (problem) {
    return problem;
  }
}

async function checkLists(name, client) {
  const { tools } = await client.listTools(undefined, patience);
  expect(tools.length >= 12 && tools.some((tool) => tool.name === 'amk_propose'), `${name}: tools`, tools.map((t) => t.name));
  expect(tools.every((tool) => tool.outputSchema && tool.annotations), `${name}: every tool has a result's schema`);
  const { resources } = await client.listResources(undefined, patience);
  const { resourceTemplates } = await client.listResourceTemplates(undefined, patience);
  expect(resources.length > 0 && resourceTemplates.length > 0, `${name}: resources and templates`, resources);
  for (const { uri } of resources) {
    const { contents } = await client.readResource({ uri }, patience);
    expect(contents.length === 1 && contents[0].text?.length > 0, `${name}: ${uri} is read`, contents);
  }
  const missing = await rejection(client.readResource({ uri: 'amk://runs/20200101-000000-none/report' }, patience));
  expect([-32002, -32602].includes(missing.code), `${name}: a missing resource is an error of the protocol`, missing);
  const { prompts } = await client.listPrompts(undefined, patience);
  expect(prompts.length > 0, `${name}: prompts`, prompts);
  const optimize = prompts.find((prompt) => prompt.name === 'amk-optimize');
  const given = Object.fromEntries((optimize?.arguments ?? []).map((argument) => [argument.name, 'toy']));
  const told = await client.getPrompt({ name: 'amk-optimize', arguments: given }, patience);
  expect(told.messages.length > 0 && JSON.stringify(told).includes('toy'), `${name}: a prompt is filled in`, told);
  const wanted = { ref: { type: 'ref/prompt', name: 'amk-optimize' }, argument: { name: 'model', value: 'to' } };
  const { completion } = await client.complete(wanted, patience);
  expect(completion.values.includes('toy'), `${name}: models are completed`, completion);
}

async function checkCalls(name, sdk, client) {
  const models = await sdk.call(client, { name: 'amk_models', arguments: {} });
  expect(models.structuredContent?.summary && models.structuredContent?.next, `${name}: amk_models`, models);
  const wrong = await sdk.call(client, { name: 'amk_eval', arguments: { modle: 'toy' } });
  expect(wrong.isError && !wrong.structuredContent && wrong.content[0].text.includes('model'), `${name}: bad arguments`, wrong);
  const unknown = await rejection(sdk.call(client, { name: 'amk_evil', arguments: {} }));
  expect(unknown.code === -32602, `${name}: an unknown tool is an error of the protocol`, unknown);
}

/** A run with progress, to its end; then one that is begun, and waited for by another tool. */
async function checkRuns(name, sdk, client) {
  const steps = [];
  const whole = await sdk.call(client, slow, { onprogress: (step) => steps.push(step.progress) });
  expect(whole.structuredContent?.state === 'done', `${name}: a run ends`, whole);
  expect(steps.length > 0, `${name}: progress is told`, steps);
  expect(steps.every((step, i) => i === 0 || step > steps[i - 1]), `${name}: progress rises`, steps);
  const begun = await sdk.call(client, { name: 'amk_eval', arguments: { model: 'toy', gpu: 'none', wait_s: 0 } });
  const { run_id } = begun.structuredContent;
  expect(['queued', 'running'].includes(begun.structuredContent.state), `${name}: a run begins`, begun);
  const ended = await sdk.call(client, { name: 'amk_run_status', arguments: { run_id, wait_s: 60 } });
  expect(ended.structuredContent?.state === 'done', `${name}: and is waited for`, ended);
}

async function checkCancel(name, sdk, client) {
  const abort = new AbortController();
  setTimeout(() => abort.abort('changed my mind'), 500);
  const cancelled = await rejection(sdk.call(client, endless, { signal: abort.signal }));
  expect(abort.signal.aborted && !cancelled.result, `${name}: a call is cancelled`, cancelled);
  let state;
  for (let attempt = 0; attempt < 50 && state !== 'cancelled'; attempt += 1) {
    const { structuredContent } = await sdk.call(client, { name: 'amk_runs', arguments: { count: 1 } });
    state = structuredContent.runs[0].state;
    if (state !== 'cancelled') await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(state === 'cancelled', `${name}: and its run with it`, state);
}

async function converse(name, sdk, transport) {
  const began = performance.now();
  const client = sdk.make();
  const problems = [];
  client.onerror = (problem) => problems.push(String(problem));
  await client.connect(transport, patience);
  const version = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? transport._protocolVersion;
  // Version 1 tells a transport over standard streams nothing of the version.
  expect(version === sdk.version || version === undefined, `${name}: the version`, version);
  expect(client.getServerVersion()?.name === 'amk', `${name}: the server's name`, client.getServerVersion());
  await checkLists(name, client);
  await checkCalls(name, sdk, client);
  await checkRuns(name, sdk, client);
  await checkCancel(name, sdk, client);
  await client.close();
  expect(problems.length === 0, `${name}: nothing that the client did not understand`, problems);
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

await main(async () => {
  for (const sdk of await sdks()) {
    const workspace = scratch('sdk');
    const { StdioClientTransport, StreamableHTTPClientTransport } = sdk.modules;
    const args = ['--workspace', workspace];
    const environment = { command: amkMcp, args, env: strippedEnvironment(), cwd: '/', stderr: 'ignore' };
    await converse(`${sdk.name}, stdio`, sdk, new StdioClientTransport(environment));
    const server = await startHttp(amkMcp, args);
    await converse(`${sdk.name}, HTTP`, sdk, new StreamableHTTPClientTransport(new URL(server.url)));
    await stop(server);
  }
}, 150);
