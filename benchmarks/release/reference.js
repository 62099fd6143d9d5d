// Puts histories to the packages that github-tag-action v6.2 is made of: what do the commits
// ask for, and what are the notes? Each line of stdin is one history as JSON, {commits, types,
// rules, url, since, tag, version}; each line of stdout its answer, {bump, notes, seconds,
// busy}, by the clock and of the processor, or {error} where the packages throw.
const { createInterface } = require("node:readline");
const { performance } = require("node:perf_hooks");
const { analyzeCommits } = require("@semantic-release/commit-analyzer");
const { generateNotes } = require("@semantic-release/release-notes-generator");

const logger = { log() {}, error() {}, info() {} };

async function answer(history) {
  const context = { commits: history.commits, logger, cwd: __dirname };
  const bump = await analyzeCommits({ releaseRules: history.rules }, context);
  const notes = await generateNotes(
    { preset: "conventionalcommits", presetConfig: { types: history.types } },
    {
      ...context,
      options: { repositoryUrl: history.url },
      lastRelease: { gitTag: history.since },
      nextRelease: { gitTag: history.tag, version: history.version },
    },
  );
  return { bump, notes };
}

async function measured(history) {
  const started = performance.now();
  const before = process.cpuUsage();
  const answered = await answer(history);
  const used = process.cpuUsage(before);
  const busy = (used.user + used.system) / 1e6;
  return { ...answered, seconds: (performance.now() - started) / 1000, busy };
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const answered = await measured(JSON.parse(line)).catch(({ message }) => ({ error: message }));
    console.log(JSON.stringify(answered));
  }
}

main();
