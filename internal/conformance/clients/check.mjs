// What all suites use. Each check is one line of JSON on standard output: {name, error}.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const url = process.env.MESA_URL, token = process.env.MESA_TOKEN, id = process.env.MESA_DOCUMENT;
const socketURL = url.replace('http', 'ws');
const authorization = { Authorization: `Bearer ${token}` };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const who = 'query Who { viewer { user { email } } }';
const changes = 'subscription Changes($id: ID!) { documentChanged(id: $id) { event { type } document { id } } }';

const report = (name, error) => console.log(JSON.stringify({ name, error }));

async function check(name, body) {
  try {
    await body();
    report(name);
  } catch (e) {
    report(name, e?.stack ?? JSON.stringify(e));
  }
}

// counting is fetch that notes what is asked for.
function counting() {
  const seen = [];
  const fetchFn = async (target, options = {}) => {
    const asked = options.body ? JSON.parse(options.body) : Object.fromEntries(new URL(target, url).searchParams);
    const response = await fetch(target, options);
    seen.push(`${options.method ?? 'GET'} ${asked.query ? 'text' : 'hash'} ${response.status}`);
    return response;
  };
  return { seen, fetchFn };
}
