// The frozen frame and what is drawn on it, up to the node's answer.

import { Drawing } from "./drawing.js";
import { encodeRuns, decodeRuns } from "./rle.js";
import { decodeFrame } from "./live.js";
import { marked } from "./shapes.js";

export class Desk {
  /** `say(text, kind)` tells the operator, `changed()` asks for a new look at everything. */
  constructor(connection, picture, say, changed) {
    this.connection = connection;
    this.picture = picture;
    this.say = say;
    this.changed = changed;
    this.size = 16;
    this.tolerance = 24;
    this.close();
  }

  /** Forget frame and drawing. */
  close() {
    this.frame = null;
    this.drawing = null;
    this.objects = new Map();
    this.current = 0;
    this.searching = 0;
    this.sending = false;
  }

  get open() {
    return this.frame !== null;
  }

  /** Layers for the picture. */
  get layers() {
    return [this.frame.bitmap, this.frame.overlay, this.drawing.canvas];
  }

  /** Get the whole frame with this stamp; a drawing that fits is kept and moves to it. */
  async freeze(stamp) {
    const message = await this.connection.ask({ type: "freeze", stamp });
    const frame = await decodeFrame(message.parts[0]);
    const fits = this.drawing?.width === frame.width && this.drawing?.height === frame.height;
    if (!fits) this.drawing = new Drawing(frame.width, frame.height);
    this.frame = frame;
    this.changed();
  }

  /** Begin a new object. */
  async add() {
    const { id } = await this.connection.ask({ type: "new_object" });
    this.objects.set(id, { id, name: "", fresh: true });
    this.current = id;
    this.changed();
  }

  /** Draw on where a tracked object is. */
  correct(id, name) {
    if (!this.objects.has(id)) {
      this.objects.set(id, { id, name, fresh: false });
      const { width, height } = this.drawing;
      const only = this.frame.labels.map((other) => (other === id ? 1 : 0));
      this.drawing.step(id, (row) => marked(only, width, height, row));
    }
    this.current = id;
    this.changed();
  }

  /** Take an object out of the drawing. */
  drop(id) {
    const { width, height, labels } = this.drawing;
    const only = labels.map((other) => (other === id ? 1 : 0));
    this.drawing.step(0, (row) => marked(only, width, height, row));
    this.objects.delete(id);
    if (this.current === id) this.current = [...this.objects.keys()].pop() ?? 0;
    this.changed();
  }

  /** Whether there is something to draw; else says what to do. */
  ready() {
    if (!this.open || this.sending) return false;
    if (this.current) return true;
    this.say("Begin with New object, or choose Correct at one", "bad");
    return false;
  }

  /** Let the server find pixels for the current object. */
  async find(question) {
    const [id, { stamp }] = [this.current, this.frame];
    this.searching += 1;
    this.changed();
    try {
      const found = await this.connection.ask({ ...question, stamp });
      if (this.frame?.stamp !== stamp) return;
      const { width, height } = found;
      const pixels = decodeRuns(found.parts[0], width * height);
      this.drawing.step(id, (row) => marked(pixels, width, height, row));
    } catch (error) {
      this.say(error.message, "bad");
    } finally {
      this.searching = Math.max(0, this.searching - 1);
      this.changed();
    }
  }

  /** Send the drawing; resolves with the node's answer, rejects with its reason. */
  async send() {
    const { stamp, width, height, session } = this.frame;
    const objects = [...this.objects.values()];
    this.sending = true;
    this.changed();
    try {
      return await this.connection.act(
        {
          type: "send", stamp, width, height, session,
          new: objects.filter((o) => o.fresh).map((o) => o.id),
          names: Object.fromEntries(objects.map((o) => [o.id, o.name])),
        },
        [encodeRuns(this.drawing.labels)],
      );
    } finally {
      this.sending = false;
      this.changed();
    }
  }

  /** Take other ids for the new objects: somebody else was quicker. */
  async renumber() {
    for (const { id, name } of [...this.objects.values()].filter((o) => o.fresh)) {
      const answer = await this.connection.ask({ type: "new_object" });
      this.objects.delete(id);
      this.objects.set(answer.id, { id: answer.id, name, fresh: true });
      this.drawing.rename(id, answer.id);
      if (this.current === id) this.current = answer.id;
    }
    this.changed();
  }
}
