// What the checks share: the programs under test, scratch folders, a server over HTTP, and how a check says what it saw.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A trained checkpoint that is part of the project. */
export const checkpoint = fileURLToPath(new URL('../../models/shakespeare-llama-3m', import.meta.url));
export const build = process.env.AMK_BUILD_DIR;
export const amkMcp = path.join(build, 'bin', 'amk-mcp');
export const conformanceServer = path.join(build, 'bin', 'amk-mcp-conformance');
/** Of this check alone: others run beside it. */
const scratchRoot = path.join(build, 'clients', `scratch-${process.pid}`);

/** The folder of an installed package group: 'protocol', 'claude' or 'codex'. */
export const modulesOf = (group) => path.join(build, 'clients', group, 'node_modules');

const require = createRequire(path.join(build, 'clients', 'protocol', 'x.cjs'));
/** A module of packages/protocol. */
export const load = async (name) => import(pathToFileURL(require.resolve(name)).href);

// --- what a check saw ---

let failures = 0;
let checks = 0;

export function expect(condition, what, found) {
  checks += 1;
  if (condition) return;
  failures += 1;
  console.log(`FAILED: ${what}${found === undefined ? '' : `; found ${JSON.stringify(found)?.slice(0, 1500)}`}`);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a check, ends what it started, and the process. One that does not end in time has failed. */
export async function main(check, secondsMax) {
  const late = setTimeout(() => {
    console.log(`FAILED: expected an end within ${secondsMax} s`);
    endChildren();
    process.exit(1);
  }, secondsMax * 1000);
  try {
    await check();
  } catch (problem) {
    failures += 1;
    console.log(`FAILED: ${problem?.stack ?? problem}`);
  }
  clearTimeout(late);
  endChildren();
  if (failures === 0) rmSync(scratchRoot, { recursive: true, force: true });
  console.log(`${checks} expectations, ${failures} failed`);
  process.exit(failures === 0 && checks > 0 ? 0 : 1);
}

// --- processes ---

const children = new Set();
function endChildren() {
  for (const child of children) child.kill('SIGKILL');
}

/** A folder of its own. */
export function scratch(name) {
  mkdirSync(scratchRoot, { recursive: true });
  return mkdtempSync(path.join(scratchRoot, `${name}-`));
}

/** What Codex starts a server with. */
export function strippedEnvironment(home = process.env.HOME) {
  return { HOME: home, PATH: process.env.PATH, LANG: 'C.UTF-8', TERM: 'dumb', USER: process.env.USER ?? 'root' };
}

/** A started program; `text()` is what it has written so far, `output()` what of that went to standard output. */
export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  let text = '';
  let output = '';
  child.stdout?.on('data', (bytes) => {
    text += bytes;
    output += bytes;
  });
  child.stderr?.on('data', (bytes) => (text += bytes));
  const ended = new Promise((resolve) => {
    child.on('error', (problem) => resolve({ code: -1, signal: String(problem) }));
    child.on('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    });
  });
  return { child, ended, text: () => text, output: () => output };
}

/** Runs a program to its end: its exit code, all that it wrote, and what of that went to standard output. */
export async function run(program, args, options = {}) {
  const { secondsMax = 60, ...rest } = options;
  const running = start(program, args, rest);
  const late = setTimeout(() => running.child.kill('SIGKILL'), secondsMax * 1000);
  const { code, signal } = await running.ended;
  clearTimeout(late);
  return { code: signal ? `${signal}` : code, text: running.text(), output: running.output() };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server over HTTP, on loopback; `url` is that of MCP. */
export async function startHttp(program, args = []) {
  const port = await freePort();
  const running = start(program, ['--http', '--port', String(port), ...args], { env: strippedEnvironment() });
  const url = `http://127.0.0.1:${port}/mcp`;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      await fetch(url, { method: 'GET', signal: AbortSignal.timeout(2000) });
      return { ...running, url };
    } catch {
      if (running.child.exitCode !== null) break;
      await sleep(25);
    }
  }
  throw new Error(`expected ${program} --http to listen on ${url}, found: ${running.text()}`);
}

/** Ends a server as a supervisor does, and expects it to go at once and in order. */
export async function stop(server) {
  server.child.kill('SIGTERM');
  const ended = await Promise.race([server.ended, sleep(10000).then(() => ({ code: 'still running' }))]);
  expect(ended.code === 0, 'SIGTERM ends the HTTP server with exit code 0', { ...ended, text: server.text() });
}
