// The Inspector's command line: schemas that every client can read, and a load of calls without an error.
import { amkMcp, expect, main, modulesOf, run, scratch, startHttp, stop } from './support.mjs';

const inspector = `${modulesOf('protocol')}/.bin/mcp-inspector`;

async function lint(where, target, era) {
  const common = ['--cli', ...target, '--protocol-era', era, '--format', 'json'];
  const listed = await run(process.execPath, [inspector, ...common, '--method', 'tools/list', '--strict']);
  expect(listed.code === 0, `${where}: tools/list --strict exits with 0`, listed.text.slice(-2000));
  expect(listed.output.includes('amk_propose'), `${where}: the tools are listed`, listed.text.slice(-2000));
  console.log(`${where}: tools/list --strict: ${/\d+ errors?, \d+ warnings?.*/.exec(listed.text)?.[0] ?? 'nothing found'}`);
}

async function load(where, target, era, tool) {
  const common = ['--cli', ...target, '--protocol-era', era, '--format', 'json'];
  const calls = ['--method', 'tools/call', '--tool-name', tool, '--load', '--load-requests', '200'];
  const loaded = await run(process.execPath, [inspector, ...common, ...calls, '--load-concurrency', '20']);
  expect(loaded.code === 0, `${where}: --load exits with 0`, loaded.text.slice(-2000));
  const found = JSON.parse(loaded.output).result;
  expect(found.ok === 200 && found.errors === 0 && found.toolErrors === 0, `${where}: 200 calls go well`, found);
  const { p50, p99 } = found.latencyMs;
  console.log(`${where}: ${tool}, 200 calls, 20 at a time: no error, p50 ${p50} ms, p99 ${p99} ms`);
}

async function inspect(where, target) {
  for (const era of ['legacy', 'modern']) {
    await lint(`${where}, ${era}`, target, era);
    await load(`${where}, ${era}`, target, era, 'amk_models');
  }
}

await main(async () => {
  const workspace = scratch('inspector');
  await inspect('stdio', [amkMcp, '--workspace', workspace]);
  const server = await startHttp(amkMcp, ['--workspace', workspace]);
  await inspect('HTTP', ['--server-url', server.url]);
  await stop(server);
}, 120);
