// Claude Code, without a login and in a home of its own: it connects to amk-mcp over standard streams and over HTTP.
import path from 'node:path';
import { amkMcp, expect, main, modulesOf, run, scratch, startHttp, stop, strippedEnvironment } from './support.mjs';

const claude = path.join(modulesOf('claude'), `@anthropic-ai/claude-code-${process.platform}-${process.arch}`, 'claude');

await main(async () => {
  const home = scratch('claude');
  // Nothing but the servers is to be talked to.
  const quiet = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1' };
  const options = { cwd: home, env: { ...strippedEnvironment(home), ...quiet } };
  const ask = (...args) => run(claude, ['mcp', ...args], options);
  const server = await startHttp(amkMcp, ['--workspace', scratch('claude-workspace')]);

  const workspace = scratch('claude-workspace');
  const stdio = await ask('add', '--scope', 'user', 'amk', '--', amkMcp, '--workspace', workspace);
  expect(stdio.code === 0, 'claude mcp add takes the command', stdio);
  const http = await ask('add', '--scope', 'user', '--transport', 'http', 'amk-http', server.url);
  expect(http.code === 0, 'claude mcp add takes the URL', http);
  const nobody = await ask('add', '--scope', 'user', 'nobody', '--', '/bin/false');
  expect(nobody.code === 0, 'claude mcp add takes a server that is none', nobody);

  // Its exit code is 0 whatever it finds.
  const { text } = await ask('list');
  console.log(text);
  const line = (name) => text.split('\n').find((one) => one.startsWith(`${name}:`)) ?? '';
  expect(/Connected/.test(line('amk')), 'claude mcp list connects over standard streams', line('amk'));
  expect(/Connected/.test(line('amk-http')), 'claude mcp list connects over HTTP', line('amk-http'));
  expect(!/Connected/.test(line('nobody')), 'claude mcp list tells a server from none', line('nobody'));
  await stop(server);
}, 120);
