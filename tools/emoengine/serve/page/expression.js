// What a face wears: action units (AUs), their plain names, and how voice, emotions and hand make them. No page in here.

export const groups = [
  {name: 'Brows', colour: '--brows', units: {AU01: 'Inner brows up', AU02: 'Outer brows up', AU04: 'Brows down'}},
  {name: 'Eyes', colour: '--eyes', units: {AU05: 'Eyes wide', AU06: 'Cheeks up', AU07: 'Lids tight', AU45: 'Eyes closed'}},
  {name: 'Nose', colour: '--nose', units: {AU09: 'Nose wrinkled'}},
  {name: 'Mouth', colour: '--mouth', units: {AU10: 'Upper lip up', AU12: 'Smile', AU14: 'Dimples', AU15: 'Lip corners down',
                                            AU20: 'Lips stretched', AU23: 'Lips tight', AU25: 'Lips apart'}},
  {name: 'Jaw', colour: '--jaw', units: {AU17: 'Chin up', AU26: 'Jaw down'}},
];

export const unit_name = au => groups.map(group => group.units[au]).find(Boolean) ?? au;
export const unit_colour = au => groups.find(group => au in group.units)?.colour ?? '--mouth';

const clamp = value => Math.min(1, Math.max(0, value));
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/// clamp(intensity x voice + emotions), then what was set by hand: as the command line has it.
/// voice      AUs or null;  mix {emotion: 0..1};  prototypes {emotion: AUs};  by_hand {index: 0..1}
export function blend({voice, intensity, mix, prototypes, by_hand, count}) {
  return Array.from({length: count}, (_, i) => {
    if (i in by_hand) return by_hand[i];
    let value = voice ? intensity * voice[i] : 0;
    for (const [name, share] of Object.entries(mix)) value += share * prototypes[name][i];
    return clamp(value);
  });
}

/// The emotion that AUs show: neutral if they are shorter than 0.5, else the prototype nearest to them. strength is the
/// projection as a share of the whole prototype. As engine/expression/action_units.h has it.
export function read_emotion(aus, prototypes) {
  let best = {name: 'neutral', strength: 0};
  if (Math.sqrt(dot(aus, aus)) < 0.5) return best;
  let least = Infinity;
  for (const [name, prototype] of Object.entries(prototypes)) {
    const strength = dot(aus, prototype) / dot(prototype, prototype);
    const residual = aus.reduce((sum, value, i) => sum + (value - strength * prototype[i]) ** 2, 0);
    if (residual < least) [least, best] = [residual, {name, strength}];
  }
  return best;
}

/// A voice's AU curves, which can be bent at points `step` seconds apart. A bend adds a hat that ends at the neighbouring
/// points, so that what the voice does in between stays; taking it back restores the curve.
export class Curves {
  static step = 0.25;
  #heard;                // rows as the server read them
  #bends = new Map();    // "au point" -> change

  constructor(rows, fps, seconds) {
    Object.assign(this, {fps, seconds, rows: rows.map(row => [...row])});
    this.#heard = rows;
  }

  get points() { return Math.floor(this.seconds / Curves.step) + 1; }
  get bent() { return this.#bends.size > 0; }
  at(seconds) { return this.rows[Math.min(this.rows.length - 1, Math.max(0, Math.round(seconds * this.fps)))]; }

  bend(au, point, value) {
    const time = point * Curves.step;
    const heard = this.#heard[Math.min(this.#heard.length - 1, Math.round(time * this.fps))][au];
    this.#bends.set(`${au} ${point}`, value - heard);
    const from = Math.max(0, Math.floor((time - Curves.step) * this.fps));
    const to = Math.min(this.rows.length - 1, Math.ceil((time + Curves.step) * this.fps));
    for (let i = from; i <= to; ++i) this.rows[i][au] = this.#bent(i, au);
  }

  #bent(i, au) {
    const place = i / this.fps / Curves.step, left = Math.floor(place), share = place - left;
    const change = point => this.#bends.get(`${au} ${point}`) ?? 0;
    return clamp(this.#heard[i][au] + (1 - share) * change(left) + share * change(left + 1));
  }

  unbend() {
    this.#bends.clear();
    this.rows = this.#heard.map(row => [...row]);
  }
}

/// The table that `emoengine aus --per-frame` writes and `animate --au-file` reads: OpenFace's names, 0 to 5.
export function to_csv(rows, fps, au_names) {
  const lines = rows.map((row, i) =>
    [i + 1, (i / fps).toFixed(3), 1, 1, ...row.map(value => (5 * value).toFixed(4))].join(','));
  return ['frame,timestamp,confidence,success,' + au_names.map(name => name + '_r').join(','), ...lines, ''].join('\n');
}
