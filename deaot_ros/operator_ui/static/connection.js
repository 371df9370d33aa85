// The WebSocket: connects again by itself, and knows which requests still wait for an answer.

import { pack, unpack } from "./wire.js";

const FIRST_DELAY = 300; // ms until the first new attempt
const LONGEST_DELAY = 4000;
const SILENCE = 6000; // ms; the server says something twice a second

export class Connection {
  /** `on.message(message)` gets what is no answer; `on.change(open)` hears of the connection. */
  constructor(on) {
    this.on = on;
    this.waiting = new Map();
    this.delay = FIRST_DELAY;
    this.count = 0;
    this.own = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
    this.heard = performance.now();
    setInterval(() => this.look(), 1000);
    this.open();
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Tell something that needs no answer. */
  tell(message) {
    if (this.connected) this.socket.send(JSON.stringify(message));
  }

  /** Ask for something that changes nothing; rejected when the connection is lost. */
  ask(message) {
    return this.request(message, [], false);
  }

  /** Ask for something that changes the tracker; survives a lost connection. */
  act(message, parts = []) {
    return this.request(message, parts, true);
  }

  request(message, parts, lasting) {
    if (!this.connected) {
      return Promise.reject(new Error("not connected to the server; nothing was sent"));
    }
    this.count += 1;
    const request = `${this.own}-${this.count}`;
    const full = { ...message, request };
    this.socket.send(parts.length ? pack(full, parts) : JSON.stringify(full));
    return new Promise((resolve, reject) => {
      this.waiting.set(request, { resolve, reject, lasting });
    });
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/socket`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.delay = FIRST_DELAY;
      this.heard = performance.now();
      this.on.change(true);
      for (const [request, { lasting }] of this.waiting) {
        if (lasting) this.tell({ type: "outcome", of: request, request });
      }
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = () => this.lost(socket);
  }

  lost(socket) {
    if (socket !== this.socket) return;
    for (const [request, { reject, lasting }] of this.waiting) {
      if (lasting) continue;
      this.waiting.delete(request);
      reject(new Error("the connection was lost; try again"));
    }
    this.on.change(false);
    setTimeout(() => this.open(), this.delay);
    this.delay = Math.min(2 * this.delay, LONGEST_DELAY);
  }

  look() {
    if (this.connected && performance.now() - this.heard > SILENCE && !document.hidden) {
      this.socket.close();
    }
  }

  receive(data) {
    this.heard = performance.now();
    const binary = data instanceof ArrayBuffer;
    const message = binary ? unpack(new Uint8Array(data)) : JSON.parse(data);
    const waiting = message.request && this.waiting.get(message.request);
    if (!waiting) {
      this.on.message(message);
      return;
    }
    this.waiting.delete(message.request);
    if (message.type === "answer" && !message.ok) {
      waiting.reject(Object.assign(new Error(message.message), { verdict: message.verdict }));
    } else {
      waiting.resolve(message);
    }
  }
}
