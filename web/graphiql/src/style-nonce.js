// The editor writes <style> elements while it runs; the page's policy admits those that carry the nonce of this response.
const { nonce } = document.querySelector('meta[property="csp-nonce"]');
const create = document.createElement;
document.createElement = function (...args) {
  const element = create.apply(this, args);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  return element;
};
