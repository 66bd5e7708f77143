import './style-nonce.js';
import 'graphiql/setup-workers/vite';
// The styles part by part: the bundled graphiql/style.css carries two web fonts as data: addresses.
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './main.css';

import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL } from 'graphiql';
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { examples } from './examples.js';
import { layout } from './layout.js';

const PLACEHOLDER = 'PASTE-TOKEN-HERE';
const HEADERS = JSON.stringify({ Authorization: `Bearer ${PLACEHOLDER}` }, null, 2);

// Subscriptions hand the headers of their tab over as connection parameters: { "Authorization": "Bearer …" }.
const send = createGraphiQLFetcher({
  url: '/graphql',
  subscriptionUrl: `${location.origin.replace(/^http/, 'ws')}/graphql`,
  enableIncrementalDelivery: false,
});

// createFetcher sends what the tab says, but asks anonymously while the placeholder stands for the token, and reports the
// token of every successful sign-in.
function createFetcher(onToken) {
  return async (request, { headers, ...options } = {}) => {
    const ready = Object.entries(headers ?? {}).filter(([, value]) => !String(value).includes(PLACEHOLDER));
    const answer = await send(request, { ...options, headers: Object.fromEntries(ready) });
    const token = answer?.data?.signIn?.token;
    if (token) onToken(token);
    return answer;
  };
}

// TokenIntoHeaders writes the token of the last sign-in into the headers of the tab in front, in place of the placeholder or
// of an earlier sign-in's token. A token that somebody pasted stays.
function TokenIntoHeaders({ tokens }) {
  const { headerEditor, schema, tab } = useGraphiQL((state) => ({
    headerEditor: state.headerEditor,
    schema: state.schema,
    tab: state.tabs[state.activeTabIndex]?.id,
  }));
  const { introspect } = useGraphiQLActions();

  useEffect(() => {
    if (!headerEditor || tokens.length === 0) return;
    const before = headerEditor.getValue();
    const old = [PLACEHOLDER, ...tokens.slice(0, -1)].find((each) => before.includes(each));
    if (old) headerEditor.setValue(before.replace(old, tokens.at(-1)));
  }, [headerEditor, tab, tokens]);

  // Where the schema is for signed-in people only, this is the moment it can be read.
  useEffect(() => {
    if (headerEditor && tokens.length > 0 && !schema) introspect();
  }, [headerEditor, tokens]);
}

// EditorLooks wraps long lines and replaces the web font that the editors ask for by name and that the page does not carry.
function EditorLooks() {
  const editors = useGraphiQL(({ queryEditor, variableEditor, headerEditor, responseEditor }) => ({
    queryEditor,
    variableEditor,
    headerEditor,
    responseEditor,
  }));
  useEffect(() => {
    const fontFamily = getComputedStyle(document.documentElement).getPropertyValue('--mesa-mono');
    Object.values(editors).forEach((editor) => editor?.updateOptions({ fontFamily, fontSize: 14, wordWrap: 'on' }));
  }, [editors]);
}

function App() {
  const [tokens, setTokens] = useState([]);
  const [fetcher] = useState(() => createFetcher((token) => setTokens((before) => [...before, token])));
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={layout}
      defaultTabs={examples}
      initialVariables={examples[0].variables}
      defaultHeaders={HEADERS}
      defaultEditorToolsVisibility="headers"
      shouldPersistHeaders={false}
      inputValueDeprecation
      schemaDescription
    >
      <GraphiQL.Logo>
        Mesa · Graph<em>i</em>QL
      </GraphiQL.Logo>
      <TokenIntoHeaders tokens={tokens} />
      <EditorLooks />
    </GraphiQL>
  );
}

createRoot(document.getElementById('graphiql')).render(<App />);
