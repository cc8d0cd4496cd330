// The conformance suite, both of its requirement sets: all of each against amk-mcp-conformance, which has the fixtures
// that the scenarios ask for, and what needs no fixtures against amk-mcp itself.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { amkMcp, build, conformanceServer, expect, main, modulesOf, run, scratch, startHttp, stop } from './support.mjs';

const conformance = path.join(modulesOf('protocol'), '.bin', 'conformance');

/** What amk-mcp must pass as it is, by the revision that is spoken. */
const withoutFixtures = {
  '2025-11-25': [
    'server-initialize',
    'server-session-lifecycle',
    'logging-set-level',
    'ping',
    'tools-list',
    'resources-list',
    'prompts-list',
    'server-sse-multiple-streams',
    'dns-rebinding-protection',
  ],
  '2026-07-28': [
    'tools-list',
    'resources-list',
    'prompts-list',
    'sep-2164-resource-not-found',
    'caching',
    'http-header-validation',
    'server-sse-multiple-streams',
    'dns-rebinding-protection',
    'input-required-result-unsupported-methods',
  ],
};

const ask = (url, args, cwd) => run(process.execPath, [conformance, 'server', '--url', url, ...args], { cwd, secondsMax: 120 });
const lastLines = (text, count) => text.trimEnd().split('\n').slice(-count).join('\n');
const save = (name, text) => writeFileSync(path.join(build, 'clients', name), text);

async function checkRequirements(url, revision, cwd) {
  const result = await ask(url, ['--requirements', revision], cwd);
  save(`conformance-${revision}.txt`, result.text);
  expect(result.code === 0, `--requirements ${revision} is green against amk-mcp-conformance`, lastLines(result.text, 60));
  console.log(`== --requirements ${revision}\n${lastLines(result.text, 60)}`);
}

async function checkOwn(url, revision, cwd) {
  const outcomes = [];
  for (const scenario of withoutFixtures[revision]) {
    const result = await ask(url, ['--scenario', scenario, '--spec-version', revision], cwd);
    const count = /(\d+)\/(\d+)/.exec(result.text);
    expect(result.code === 0, `amk-mcp passes ${scenario} of ${revision}`, lastLines(result.text, 30));
    outcomes.push(`${result.code === 0 ? 'passed' : 'FAILED'} ${scenario} ${count?.[0] ?? ''}`);
  }
  save(`conformance-amk-mcp-${revision}.txt`, `${outcomes.join('\n')}\n`);
  console.log(`== amk-mcp itself, ${revision}\n${outcomes.join('\n')}`);
}

await main(async () => {
  const folder = scratch('conformance');
  const fixtures = await startHttp(conformanceServer);
  for (const revision of Object.keys(withoutFixtures)) await checkRequirements(fixtures.url, revision, folder);
  await stop(fixtures);
  const server = await startHttp(amkMcp, ['--workspace', folder]);
  for (const revision of Object.keys(withoutFixtures)) await checkOwn(server.url, revision, folder);
  await stop(server);
}, 170);
