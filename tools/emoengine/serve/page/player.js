// Plays the voice, and the face with it. Pictures are drawn while the sound plays, each for the moment at which it will be
// ready, and kept: a second run finds them, and fills the gaps that the first one left.

import {decode, forget_decoded} from './stage.js';

const lead_s = 0.025;      // lips a little before their sound look right (ITU-R BT.1359); after it they do not
const most_kept = 2000;    // pictures of some 30 KB
const decoded_ahead = 6;   // frames: a decoder that has to wait for a processor takes longer than a frame

/// draw(seconds)  -> promise of {bytes, crop} or null;  show(picture, seconds)  puts it on the stage
/// moved(seconds)  at every step;  ended()
export class Player {
  playing = false;
  #frames = new Map();   // frame -> picture
  #busy = false;
  #trip_s = 0.1;         // from asking for a picture to having it, smoothed
  #spread_s = 0.05;      // how far a trip is from that, smoothed
  #shown = -1;
  #failed = false;       // the browser cannot play this sound: a clock stands in
  #started = 0;

  constructor(audio, {draw, show, moved, ended}) {
    Object.assign(this, {audio, draw, show, moved, ended});
    audio.onerror = () => this.#failed = true;
    audio.onended = () => this.stop(true);
  }

  load(blob, seconds, fps) {
    this.stop();
    URL.revokeObjectURL(this.audio.src);
    this.#failed = false;
    this.audio.src = URL.createObjectURL(blob);
    Object.assign(this, {seconds, fps});
    this.forget();
  }

  /// The kept pictures are of another expression, face or photo now.
  forget() { this.#frames = new Map(); this.#shown = -1; }

  get silent() { return this.#failed; }
  get now() { return this.#failed ? (performance.now() - this.#started) / 1000 : this.audio.currentTime; }

  async play(from) {
    this.playing = true;
    this.#shown = -1;
    this.#started = performance.now() - 1000 * from;
    if (!this.#failed) {
      this.audio.currentTime = from;
      await this.audio.play().catch(() => { this.#failed = true; this.#started = performance.now() - 1000 * from; });
    }
    requestAnimationFrame(() => this.#step());
  }

  seek(seconds) {
    this.#started = performance.now() - 1000 * seconds;
    if (!this.#failed) this.audio.currentTime = seconds;
    this.#shown = -1;
  }

  stop(at_end = false) {
    if (!this.playing) return;
    this.playing = false;
    this.audio.pause();
    this.ended(at_end);
  }

  #step() {
    if (!this.playing) return;
    const now = this.now;
    if (now >= this.seconds) return this.stop(true);
    this.moved(now);
    let frame = Math.floor((now + lead_s) * this.fps);
    while (frame > this.#shown && !this.#frames.has(frame)) --frame;
    if (frame > this.#shown) {
      for (let left_out = this.#shown + 1; left_out < frame; ++left_out) forget_decoded(this.#frames.get(left_out));
      this.#shown = frame;
      this.show(this.#frames.get(frame), frame / this.fps);
    }
    for (let next = 1; next <= decoded_ahead; ++next) {
      if (this.#frames.has(frame + next)) decode(this.#frames.get(frame + next));
    }
    if (!this.#busy) this.#draw_next(now);
    requestAnimationFrame(() => this.#step());
  }

  async #draw_next(now) {
    // A picture that comes early waits for its moment, a late one has missed it: two spreads more, as TCP has four.
    let frame = Math.ceil((now + lead_s + this.#trip_s + 2 * this.#spread_s) * this.fps);
    while (this.#frames.has(frame)) ++frame;
    if (frame >= this.seconds * this.fps) return;
    this.#busy = true;
    const frames = this.#frames, started = performance.now();
    try {
      const picture = await this.draw(frame / this.fps);
      const off_s = (performance.now() - started) / 1000 - this.#trip_s;
      this.#trip_s += 0.25 * off_s;
      this.#spread_s += 0.25 * (Math.abs(off_s) - this.#spread_s);
      if (picture && frames === this.#frames) frames.set(frame, picture);
      if (frames.size > most_kept) frames.delete(frames.keys().next().value);
    } finally {
      this.#busy = false;
    }
  }
}
