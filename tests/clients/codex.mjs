// Codex, without a login and in a home of its own: it lists amk-mcp's tools and calls one, over standard streams and
// over HTTP. Its app-server does at a client's word what a model's turn would have it do.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { amkMcp, expect, main, modulesOf, run, scratch, start, startHttp, stop, strippedEnvironment } from './support.mjs';

const codex = path.join(modulesOf('codex'), '.bin', 'codex');

/** No model is asked anything; the provider is there so that none is reached for. */
const config = (workspace, url) => `
check_for_update_on_startup = false
approval_policy = "never"
model = "none"
model_provider = "nobody"

[model_providers.nobody]
name = "nobody"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"

[analytics]
enabled = false

[mcp_servers.amk]
command = ${JSON.stringify(amkMcp)}
args = ["--workspace", ${JSON.stringify(workspace)}]

[mcp_servers.amk_http]
url = ${JSON.stringify(url)}
`;

/** The app-server's conversation: JSON-RPC, a message a line. */
function appServer(options) {
  const running = start(codex, ['app-server'], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = new Map();
  let pending = '';
  running.child.stdout.on('data', (bytes) => {
    pending += bytes;
    const lines = pending.split('\n');
    pending = lines.pop();
    for (const message of lines.filter(Boolean).map((line) => JSON.parse(line))) {
      if (!message.method) waiting.get(message.id)?.(message);
    }
  });
  const say = (message) => running.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let lastId = 0;
  const ask = (method, params) =>
    new Promise((resolve, reject) => {
      const id = (lastId += 1);
      waiting.set(id, (reply) => (reply.error ? reject(new Error(JSON.stringify(reply.error))) : resolve(reply.result)));
      running.ended.then((how) => reject(new Error(`codex app-server ended: ${JSON.stringify(how)} ${running.text()}`)));
      say({ id, method, params });
    });
  return { ask, say, running };
}

async function checkServer(app, threadId, server) {
  const call = (tool, args) => app.ask('mcpServer/tool/call', { threadId, server, tool, arguments: args });
  const models = await call('amk_models', {});
  expect(models.structuredContent?.summary && !models.isError, `${server}: amk_models is called`, models);
  const evaluated = await call('amk_eval', { model: 'toy', gpu: 'none', wait_s: 60 });
  expect(evaluated.structuredContent?.state === 'done', `${server}: amk_eval runs to its end`, evaluated);
  const wrong = await call('amk_eval', { modle: 'toy' });
  expect(wrong.isError && wrong.content[0].text.includes('model'), `${server}: bad arguments come back as words`, wrong);
  const { data } = await app.ask('mcpServerStatus/list', { serverName: server, threadId });
  const uri = data[0].resources[0]?.uri;
  const read = await app.ask('mcpServer/resource/read', { threadId, server, uri });
  expect(read.contents?.[0]?.text?.length > 0, `${server}: a resource is read`, { uri, read });
}

await main(async () => {
  const home = scratch('codex');
  const options = { cwd: home, env: { ...strippedEnvironment(home), CODEX_HOME: home } };
  const server = await startHttp(amkMcp, ['--workspace', scratch('codex-workspace')]);
  writeFileSync(path.join(home, 'config.toml'), config(scratch('codex-workspace'), server.url));

  const listed = await run(codex, ['mcp', 'list', '--json'], options);
  expect(listed.code === 0 && listed.text.includes('amk_http'), 'codex mcp list knows both servers', listed);

  const app = appServer(options);
  const clientInfo = { name: 'amk-clients', title: 'AMK', version: '1' };
  await app.ask('initialize', { clientInfo, capabilities: { experimentalApi: true } });
  app.say({ method: 'initialized' });
  const { data } = await app.ask('mcpServerStatus/list', {});
  for (const name of ['amk', 'amk_http']) {
    const found = data.find((one) => one.name === name);
    const tools = Object.keys(found?.tools ?? {});
    expect(found?.serverInfo?.name === 'amk' && !found.toolsError, `${name}: Codex connects`, found);
    expect(tools.length >= 12 && tools.includes('amk_propose'), `${name}: Codex lists the tools`, tools);
    expect(found?.resources?.length > 0 && found.resourceTemplates.length > 0, `${name}: and resources`, found?.resources);
    console.log(`${name}: ${tools.length} tools, ${found?.resources?.length} resources`);
  }
  const { thread } = await app.ask('thread/start', { cwd: home, ephemeral: true });
  for (const name of ['amk', 'amk_http']) await checkServer(app, thread.id, name);
  app.running.child.kill('SIGTERM');
  await app.running.ended;
  await stop(server);
}, 150);
