import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';

// urql leaves the rejection of a body that it aborted to nobody.
process.on('unhandledRejection', (e) => {
  if (e?.name !== 'AbortError') throw e;
});

function connect(...before) {
  const { seen, fetchFn } = counting();
  return { seen, client: new Client({
    url, fetch: fetchFn, exchanges: [...before, fetchExchange], fetchSubscriptions: true, preferGetMethod: false, requestPolicy: 'network-only',
    fetchOptions: { headers: authorization },
  }) };
}

await check('a query', async () => {
  const { client, seen } = connect();
  const { data, error } = await client.query(who, {}).toPromise();
  assert.ifError(error);
  assert.equal(data.viewer.user.email, 'mesa1@demo.mesa.pe');
  assert.deepEqual(seen, ['POST text 200']);
});

await check('a text that is not valid is an error of GraphQL, not of the network', async () => {
  const { client } = connect();
  const { error } = await client.query('{ nothing }', {}).toPromise();
  assert.equal(error.networkError, undefined);
  assert.equal(error.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

for (const preferGetForPersistedQueries of [false, true]) {
  const first = preferGetForPersistedQueries ? 'GET' : 'POST';
  await check(`a persisted query by ${first}: its hash, its text, then its hash for ever`, async () => {
    const { client, seen } = connect(persistedExchange({ preferGetForPersistedQueries }));
    for (let i = 0; i < 3; i++) {
      const { data, error } = await client.query(`query Urql${first} { viewer { user { email } } }`, {}).toPromise();
      assert.ifError(error);
      assert.equal(data.viewer.user.email, 'mesa1@demo.mesa.pe');
    }
    assert.deepEqual(seen.map((s) => s.slice(s.indexOf(' ') + 1)), ['hash 404', 'text 200', 'hash 200', 'hash 200']);
    assert.ok(seen[0].startsWith(first), seen[0]);
  });
}

await check('a subscription by events', async () => {
  const { client } = connect();
  await new Promise((resolve, reject) => {
    const following = client.subscription(changes, { id }).subscribe(({ data, error }) => {
      following.unsubscribe();
      data?.documentChanged.document.id === id ? resolve() : reject(error ?? new Error('told of something else'));
    });
  });
});
