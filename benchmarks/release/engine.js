// Asks the engine itself, V8 and its ICU: {texts} for their order and which of them are equal;
// {lists} for what its sort makes of comparisons that are no order, and in how many.
const { readFileSync } = require("node:fs");

function inOrder(texts) {
  const { compare } = new Intl.Collator("en-US");
  const groups = [];
  for (const text of texts.sort((one, other) => compare(one, other) || (one < other ? -1 : 1))) {
    const last = groups.at(-1);
    if (last && compare(last[0], text) === 0) last.push(text);
    else groups.push([text]);
  }
  return groups;
}

// As the reference compares scopes: nothing and a text are compared as numbers.
function texts([one], [other]) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function chance([one], [other]) {
  return ((one * 7919 + other * 104729) % 3) - 1;
}

function sorted({ kind, items }) {
  let comparisons = 0;
  const compare = kind === "texts" ? texts : chance;
  const placed = items.map((item, place) => [item, place]);
  placed.sort((one, other) => (comparisons++, compare(one, other)));
  return { kind, items, order: placed.map(([, place]) => place), comparisons };
}

const asked = JSON.parse(readFileSync(0, "utf8"));
const answered = asked.texts ? inOrder(asked.texts) : asked.lists.map(sorted);
console.log(JSON.stringify(answered));
