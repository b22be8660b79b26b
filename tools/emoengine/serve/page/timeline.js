// The waveform, the AU curves over it, the points of the chosen curve, and the playhead.

import {Curves, unit_colour, unit_name} from './expression.js';

const $ = id => document.getElementById(id);
const live_window_s = 8;

/// `sought` is called with a time when the user moves the playhead, `bent` when a point was moved.
export class Timeline {
  #voice = null;    // {curves, waveform, seconds}
  #live = null;     // {rows: [{seconds, aus}], peaks: [[seconds, amplitude]]}
  #time = null;     // null: the whole clip
  #from = 0;        // left edge, in seconds
  #au = 0;
  #points = [];
  #drawing = 0;

  constructor({sought, bent}) {
    this.bent = bent;
    this.sought = sought;
    new ResizeObserver(() => this.#build()).observe($('chart'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    $('seek').oninput = () => sought($('seek').valueAsNumber);
    $('curve').onchange = () => { this.#au = Number($('curve').value); this.#build(); };
    $('unbend').onclick = () => {
      this.#voice.curves.unbend();
      this.#build();
      bent();
    };
    $('curves').onpointerdown = event => {
      if (this.#live) return;
      const seek = ({clientX}) => {
        const {left, width} = $('curves').getBoundingClientRect();
        sought(Math.min(this.#voice.seconds, Math.max(0, this.#from + (clientX - left) / width * this.#span)));
      };
      seek(event);
      $('curves').setPointerCapture(event.pointerId);
      $('curves').onpointermove = seek;
      $('curves').onpointerup = $('curves').onpointercancel = () => $('curves').onpointermove = null;
    };
  }

  build(au_names) {
    if (this.au_names) return;
    this.au_names = au_names;
    $('curve').append(...au_names.map((au, i) => new Option(`${unit_name(au)} (${au})`, i)));
  }

  show_voice(voice) {
    this.#voice = voice;
    this.#live = null;
    this.#from = 0;
    $('timeline').hidden = false;
    $('timeline').classList.remove('live');
    // The curve that moves most is the one worth editing.
    const travel = this.au_names.map((_, au) => {
      const values = voice.curves.rows.map(row => row[au]);
      return Math.max(...values) - Math.min(...values);
    });
    this.#au = travel.indexOf(Math.max(...travel));
    $('curve').value = this.#au;
    $('seek').max = voice.seconds;
    this.show_time(null);
    this.#build();
  }

  show_live() {
    this.#live = {rows: [], peaks: [], now: 0};
    $('timeline').hidden = false;
    $('timeline').classList.add('live');
    this.#build();
  }

  add_live_row(seconds, aus) { this.#live?.rows.push({seconds, aus}); this.draw(); }

  add_live_sound(seconds, peak) {
    if (!this.#live) return;
    this.#live.now = seconds;
    this.#live.peaks.push([seconds, peak]);
    const old = ({length}, time) => length > 2 && time < seconds - live_window_s - 1;
    while (old(this.#live.peaks, this.#live.peaks[0][0])) this.#live.peaks.shift();
    while (this.#live.rows.length && old(this.#live.rows, this.#live.rows[0].seconds)) this.#live.rows.shift();
    this.draw();
  }

  /// The live curves give way to the voice, if there is one.
  end_live() {
    this.#live = null;
    $('timeline').classList.remove('live');
    $('timeline').hidden = !this.#voice;
    this.#build();
  }

  /// seconds null: no moment, the whole clip.
  show_time(seconds) {
    this.#time = seconds;
    if (!this.#voice) return;
    const shown = seconds ?? 0, text = `${shown.toFixed(1)} of ${this.#voice.seconds.toFixed(1)} s`;
    $('seek').value = shown;
    $('seek').ariaValueText = seconds === null ? `whole clip, ${this.#voice.seconds.toFixed(1)} seconds` : `${shown.toFixed(1)} of ${this.#voice.seconds.toFixed(1)} seconds`;
    $('clock').textContent = seconds === null ? `${this.#voice.seconds.toFixed(1)} s` : text;
    $('whole').ariaPressed = seconds === null;
    const from = this.#from;
    if (shown < from || shown > from + this.#span) {
      this.#from = Math.max(0, Math.min(shown - 0.1 * this.#span, this.#voice.seconds - this.#span));
      if (this.#from !== from) this.#build();
    }
    $('playhead').hidden = seconds === null;
    $('playhead').style.left = `${100 * (shown - this.#from) / this.#span}%`;
    if (!$('points').contains(document.activeElement)) this.#rove(Math.round(shown / Curves.step));
  }

  // So many seconds that neighbouring points are 24 px apart, a finger's least.
  get #span() {
    if (this.#live) return live_window_s;
    return Math.min(this.#voice.seconds, Math.max(3, Math.floor($('chart').clientWidth / 24) * Curves.step));
  }

  // Each point is a native vertical range over the chart: dragged, or moved by the arrow keys.
  #build() {
    this.#points = [];
    $('points').replaceChildren();
    $('unbend').hidden = !this.#voice?.curves.bent;
    if (this.#voice && !this.#live) {
      const {curves} = this.#voice, name = unit_name(this.au_names[this.#au]);
      const first = Math.ceil(this.#from / Curves.step), last = Math.floor((this.#from + this.#span) / Curves.step + 1e-6);
      for (let point = first; point <= Math.min(last, curves.points - 1); ++point) {
        const time = point * Curves.step, input = document.createElement('input');
        Object.assign(input, {type: 'range', min: 0, max: 1, step: 0.01, value: curves.at(time)[this.#au], tabIndex: -1});
        input.dataset.point = point;
        input.ariaLabel = `${name} at ${time.toFixed(2)} seconds`;
        input.style.left = `${100 * (time - this.#from) / this.#span}%`;
        input.style.setProperty('--curve', `var(${unit_colour(this.au_names[this.#au])})`);
        const tell = () => input.ariaValueText = `${Math.round(100 * input.value)} percent`;
        tell();
        input.oninput = () => {
          curves.bend(this.#au, point, input.valueAsNumber);
          $('unbend').hidden = false;
          tell();
          this.draw();
          this.bent(time);
        };
        input.onfocus = () => { this.#rove(point); this.sought(time); };
        input.onkeydown = event => {
          const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
          if (!step) return;
          event.preventDefault();
          this.#go_to(point + step);
        };
        this.#points[point] = input;
      }
      $('points').append(...this.#points.filter(Boolean));
      this.#rove(Math.max(first, Math.round((this.#time ?? 0) / Curves.step)));
    }
    this.draw();
  }

  #go_to(point) {
    if (point < 0 || point >= this.#voice.curves.points) return;
    if (!this.#points[point]) {
      this.#from = Math.max(0, Math.min(point * Curves.step - this.#span / 2, this.#voice.seconds - this.#span));
      this.#build();
    }
    this.#points[point]?.focus();
  }

  // One of the points is reached by Tab, the others from it by the arrows.
  #rove(point) {
    for (const input of this.#points) if (input) input.tabIndex = -1;
    const near = this.#points[point] ?? this.#points.find(Boolean);
    if (near) near.tabIndex = 0;
  }

  #visible_rows() {
    const {rows, fps} = this.#voice.curves, first = Math.max(0, Math.floor(this.#from * fps));
    return rows.slice(first, Math.ceil((this.#from + this.#span) * fps) + 1).map((aus, i) => ({seconds: (first + i) / fps, aus}));
  }

  draw() {
    this.#drawing ||= requestAnimationFrame(() => { this.#drawing = 0; this.#draw(); });
  }

  #draw() {
    const canvas = $('curves'), ratio = devicePixelRatio, {clientWidth: width, clientHeight: height} = canvas;
    if (!width || !(this.#voice || this.#live)) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const context = canvas.getContext('2d'), style = getComputedStyle(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const from = this.#live ? this.#live.now - live_window_s : this.#from, span = this.#span;
    const x = seconds => (seconds - from) / span * width;
    const y = value => 12 + (1 - value) * (height - 24);  // half a point's size is left above and below

    context.fillStyle = style.getPropertyValue('--wave');
    const bar = (left, right, low, high) =>
      context.fillRect(left, height / 2 * (1 - high), Math.max(1, right - left), Math.max(1, height / 2 * (high - low)));
    if (this.#live) {
      for (const [seconds, peak] of this.#live.peaks) bar(x(seconds), x(seconds) + 2, -peak, peak);
    } else {
      const {waveform, seconds} = this.#voice, each = seconds / waveform.length;
      const loudest = Math.max(0.05, ...waveform.map(([low, high]) => Math.max(-low, high)));
      waveform.forEach(([low, high], i) => bar(x(i * each), x((i + 1) * each), 0.9 * low / loudest, 0.9 * high / loudest));
    }

    const rows = this.#live ? this.#live.rows : this.#visible_rows();
    const line = (au, thickness) => {
      context.strokeStyle = style.getPropertyValue(unit_colour(this.au_names[au]));
      context.lineWidth = thickness;
      context.beginPath();
      for (const {seconds, aus} of rows) context.lineTo(x(seconds), y(aus[au]));
      context.stroke();
    };
    context.lineJoin = 'round';
    context.globalAlpha = 0.55;
    this.au_names.forEach((_, au) => { if (au !== this.#au || this.#live) line(au, 1.25); });
    context.globalAlpha = 1;
    if (!this.#live) line(this.#au, 3);
  }
}
