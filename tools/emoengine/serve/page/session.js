// The WebSocket to the engine: one session, requests with ids, reconnecting with back-off. docs/serve.md has the protocol.

const first_wait_ms = 500, longest_wait_ms = 10000;

/// Header and payload as one binary message: uint32 little-endian length of the header, the header, the payload.
function pack(header, bytes) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const message = new Uint8Array(4 + text.length + bytes.byteLength);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, 4);
  message.set(new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength), 4 + text.length);
  return message;
}

function unpack(data) {
  if (typeof data === 'string') return JSON.parse(data);
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return {...header, bytes: new Uint8Array(data, 4 + length)};
}

/// Events: `ready` (detail: what the server said of itself), `lost` (detail: seconds until the next try), `key` (detail: why).
export class Session extends EventTarget {
  ready = null;     // the server's answer to hello, while connected
  #key = sessionStorage.getItem('key') ?? undefined;
  #socket = null;
  #listeners = new Map();  // id -> {message, fail}
  #next_id = 1;
  #wait_ms = first_wait_ms;
  #timer = 0;

  constructor() {
    super();
    // A phone that wakes up, or a network that comes back, need not wait.
    addEventListener('online', () => this.#retry_now());
    document.addEventListener('visibilitychange', () => document.hidden || this.#retry_now());
  }

  /// Resolves once the server is ready.
  async connected() {
    if (!this.ready) await new Promise(resolve => this.addEventListener('ready', resolve, {once: true}));
  }

  get headers() { return this.#key ? {Authorization: `Bearer ${this.#key}`} : {}; }

  use_key(key) {
    this.#key = key;
    sessionStorage.setItem('key', key);
    this.connect();
  }

  connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const url = new URL('v1/session', document.baseURI);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = this.#socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    let refused = '';
    socket.onopen = () => socket.send(JSON.stringify({type: 'hello', ...(this.#key && {key: this.#key})}));
    socket.onmessage = ({data}) => {
      const message = unpack(data);
      if (message.type === 'ready') {
        this.ready = message;
        this.#wait_ms = first_wait_ms;
        this.dispatchEvent(new CustomEvent('ready', {detail: message}));
      } else if (!this.ready && message.type === 'error') {
        refused = message.error;
        socket.close();
      } else {
        this.#listeners.get(message.id)?.message(message);
      }
    };
    socket.onclose = ({code}) => {
      this.ready = null;
      for (const listener of [...this.#listeners.values()]) listener.fail(new Error('The connection was lost.'));
      this.#listeners.clear();
      if (refused && /\bkey\b/i.test(refused) || code === 1008) {
        sessionStorage.removeItem('key');
        this.dispatchEvent(new CustomEvent('key', {detail: this.#key ? refused : ''}));
        return;
      }
      const wait_ms = this.#wait_ms * (0.75 + Math.random() / 2);
      this.#wait_ms = Math.min(2 * this.#wait_ms, longest_wait_ms);
      this.#timer = setTimeout(() => this.connect(), wait_ms);
      this.dispatchEvent(new CustomEvent('lost', {detail: {seconds: wait_ms / 1000, reason: refused}}));
    };
  }

  #retry_now() { if (this.#timer) this.connect(); }

  #send(header, bytes) { this.#socket.send(bytes ? pack(header, bytes) : JSON.stringify(header)); }

  /// One question, one answer; what the server refuses is thrown, with its whole answer as `answer`.
  request(header, bytes) {
    return new Promise((resolve, reject) => {
      if (!this.ready) return reject(new Error('Not connected; trying again by itself.'));
      const id = this.#next_id++;
      const message = answer => {
        this.#listeners.delete(id);
        answer.type === 'error' ? reject(Object.assign(new Error(answer.error), {answer})) : resolve(answer);
      };
      this.#listeners.set(id, {message, fail: reject});
      this.#send({...header, id}, bytes);
    });
  }

  /// One question, many answers, until stop() is called or `on_end` hears of the end. send() adds to the question.
  stream(header, on_message, on_end) {
    const id = this.#next_id++;
    const end = error => { if (this.#listeners.delete(id)) on_end(error); };
    this.#listeners.set(id, {
      message: answer => answer.type === 'error' ? end(new Error(answer.error)) : answer.type === 'stopped' ? end() : on_message(answer),
      fail: end,
    });
    this.#send({...header, id});
    const send = (more, bytes) => { if (this.ready && this.#listeners.has(id)) this.#send({...more, id}, bytes); };
    return {send, stop: () => send({type: 'stop'})};
  }
}

/// A fetch() of the HTTP interface with form fields. Throws Error with the server's sentence, also where a proxy answers
/// in HTML; `status` is the HTTP status.
export async function post(session, path, fields, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof File) body.append(name, value, value.name);
    else if (value !== undefined) body.append(name, value);
  }
  const response = await fetch(new URL(path, document.baseURI), {method: 'POST', body, headers: session.headers, signal});
  if (response.ok) return response;
  const text = await response.text();
  let reason;
  try { reason = JSON.parse(text).error; } catch { /* not ours: a proxy's page */ }
  if (!reason) {
    reason = response.status === 413 ? 'The server, or a proxy before it, does not take files this large.'
                                     : `The server answered ${response.status} ${response.statusText}.`;
  }
  throw Object.assign(new Error(reason), {status: response.status});
}
