import { serverAudits } from 'graphql-http';

for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn();
  report(`${result.id} ${result.name}`, result.status === 'ok' ? undefined : `${result.status}: ${result.reason}`);
  await result.response?.body?.cancel().catch(() => {});
}
