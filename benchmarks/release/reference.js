// Puts a history to the packages that github-tag-action v6.2 is made of: what do the commits
// ask for, and what are the notes? Reads {commits, types, url, since, tag, version} from
// stdin; writes {bump, notes, seconds, busy}, by the clock and of the processor; loading and
// reading are not counted.
const { readFileSync } = require("node:fs");
const { performance } = require("node:perf_hooks");
const { analyzeCommits } = require("@semantic-release/commit-analyzer");
const { generateNotes } = require("@semantic-release/release-notes-generator");

const logger = { log() {}, error() {}, info() {} };

async function answer(history) {
  const context = { commits: history.commits, logger, cwd: __dirname };
  const bump = await analyzeCommits({}, context);
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

async function main() {
  const history = JSON.parse(readFileSync(0, "utf8"));
  const started = performance.now();
  const before = process.cpuUsage();
  const answered = await answer(history);
  const used = process.cpuUsage(before);
  const busy = (used.user + used.system) / 1e6;
  const seconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ ...answered, seconds, busy }));
}

main();
