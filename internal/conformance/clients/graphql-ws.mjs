import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const connect = (options = {}) => createClient({ url: socketURL, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0, ...options });

async function first(client, payload) {
  for await (const result of client.iterate(payload)) return result;
  throw new Error('nothing came');
}

await check('a query', async () => {
  const client = connect();
  assert.equal((await first(client, { query: who })).data.viewer.user.email, 'mesa1@demo.mesa.pe');
  await client.dispose();
});

await check('a query completes', async () => {
  const client = connect(), results = [];
  for await (const result of client.iterate({ query: who })) results.push(result);
  assert.equal(results.length, 1);
  await client.dispose();
});

await check('subscriptions side by side, each ended by the client', async () => {
  const client = connect();
  await Promise.all([1, 2, 3].map(async () => {
    let n = 0;
    for await (const result of client.iterate({ query: changes, variables: { id } })) {
      assert.equal(result.data.documentChanged.document.id, id);
      if (++n === 2) break;
    }
  }));
  assert.equal((await first(client, { query: who })).data.viewer.user.email, 'mesa1@demo.mesa.pe'); // on the same socket
  await client.dispose();
});

await check('a text that is not valid is an error of its operation', async () => {
  const client = connect();
  await assert.rejects(first(client, { query: '{ nothing }' }), (errors) => Array.isArray(errors) && errors[0].extensions.code === 'GRAPHQL_VALIDATION_FAILED');
  assert.ok((await first(client, { query: who })).data);
  await client.dispose();
});

await check('a token that nobody holds closes the socket with 4403', async () => {
  const client = connect({ connectionParams: { Authorization: 'Bearer nobody' } });
  await assert.rejects(first(client, { query: who }), (close) => close.code === 4403);
  await client.dispose();
});

await check('a stranger may ask for what is public', async () => {
  const client = connect({ connectionParams: undefined });
  assert.equal((await first(client, { query: '{ __typename }' })).data.__typename, 'Query');
  await assert.rejects(first(client, { query: who }), (errors) => errors[0].extensions.code === 'UNAUTHENTICATED');
  await client.dispose();
});

await check('the client pings and is answered', async () => {
  let answered;
  const pong = new Promise((resolve) => { answered = resolve; });
  const client = connect({ lazy: false, keepAlive: 20, on: { pong: (received) => received && answered() } });
  await pong;
  await client.dispose();
});
