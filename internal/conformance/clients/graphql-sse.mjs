import { createClient } from 'graphql-sse';

const connect = (headers = authorization) => createClient({ url, headers, retryAttempts: 0 });

async function first(client, payload) {
  for await (const result of client.iterate(payload)) return result;
  throw new Error('nothing came');
}

await check('a query completes', async () => {
  const client = connect(), results = [];
  for await (const result of client.iterate({ query: who })) results.push(result);
  assert.deepEqual(results.map((r) => r.data.viewer.user.email), ['mesa1@demo.mesa.pe']);
  client.dispose();
});

await check('a subscription, ended by the client', async () => {
  const client = connect();
  let n = 0;
  for await (const result of client.iterate({ query: changes, variables: { id } })) {
    assert.equal(result.data.documentChanged.document.id, id);
    if (++n === 2) break;
  }
  client.dispose();
});

await check('errors of validation are results', async () => {
  const client = connect();
  assert.equal((await first(client, { query: '{ nothing }' })).errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
  client.dispose();
});

await check('so is that somebody has to sign in', async () => {
  const client = connect({});
  assert.equal((await first(client, { query: changes, variables: { id } })).errors[0].extensions.code, 'UNAUTHENTICATED');
  client.dispose();
});

await check('what is no request is 400', async () => {
  const client = connect();
  await assert.rejects(first(client, { query: '' }), (e) => e.response?.status === 400);
  client.dispose();
});
