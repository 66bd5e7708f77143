import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { createPersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

function connect(options = {}) {
  const { seen, fetchFn } = counting();
  const http = new HttpLink({ uri: url, headers: authorization, fetch: fetchFn });
  const link = options.persisted ? ApolloLink.from([createPersistedQueryLink({ sha256, ...options.persisted }), http]) : http;
  return { seen, client: new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: 'no-cache' } } }) };
}

await check('a query', async () => {
  const { client, seen } = connect();
  const { data } = await client.query({ query: gql(who) });
  assert.equal(data.viewer.user.email, 'mesa1@demo.mesa.pe');
  assert.deepEqual(seen, ['POST text 200']);
});

await check('a text that is not valid is an error of GraphQL, not of the network', async () => {
  const { client, seen } = connect();
  await assert.rejects(client.query({ query: gql('{ nothing }') }), (e) => CombinedGraphQLErrors.is(e) && e.errors[0].extensions.code === 'GRAPHQL_VALIDATION_FAILED');
  assert.deepEqual(seen, ['POST text 400']);
});

for (const useGETForHashedQueries of [false, true]) {
  const first = useGETForHashedQueries ? 'GET' : 'POST';
  await check(`a persisted query by ${first}: its hash, its text, then its hash for ever`, async () => {
    const { client, seen } = connect({ persisted: { useGETForHashedQueries } });
    const query = gql(`query Apollo${first} { viewer { user { email } } }`);
    for (let i = 0; i < 3; i++) assert.equal((await client.query({ query })).data.viewer.user.email, 'mesa1@demo.mesa.pe');
    assert.deepEqual(seen, [`${first} hash 404`, 'POST text 200', `${first} hash 200`, `${first} hash 200`]);
  });
}

await check('a subscription over WebSocket', async () => {
  const socket = createClient({ url: socketURL, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  await new Promise((resolve, reject) => {
    const following = client.subscribe({ query: gql(changes), variables: { id } }).subscribe({
      next({ data }) {
        following.unsubscribe();
        data?.documentChanged.document.id === id ? resolve() : reject(new Error('told of something else'));
      },
      error: reject,
    });
  });
  await socket.dispose();
});
