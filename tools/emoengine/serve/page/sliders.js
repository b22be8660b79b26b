// The sliders. They hold what the user asked for; what the face wears comes back through show().

import {groups, unit_name} from './expression.js';

const $ = id => document.getElementById(id);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/// A named range from 0 to `max`, with its value beside it.
function slider(name, {max = 1, step = 0.01, value = 0, spoken = share => `${Math.round(100 * share)} percent`}) {
  const input = element('input', {type: 'range', min: 0, max, step, value});
  const output = element('output', {});
  const show = text => {
    output.value = input.valueAsNumber.toFixed(2);
    input.ariaValueText = spoken(input.valueAsNumber) + (text ?? '');
  };
  show();
  const row = element('div', {className: 'slider'}, element('label', {}, element('span', {textContent: name}), input), output);
  return {row, input, show};
}

/// How a face is drawn: by moving the photo's own pixels where the server is sure of the landmarks, or by the network.
const drawings = [
  {name: 'sharp', detail: 'auto', passes: 1},
  {name: 'by the network', detail: 'network', passes: 1},
  {name: 'by the network, twice', detail: 'network', passes: 2},
];

/// `changed` is called when the user moved something.
export class Sliders {
  mix = {};       // emotion -> 0..1
  by_hand = {};   // index of an AU -> 0..1, where the user has set one
  intensity = 1;
  #units = [];
  #emotions = {};

  constructor(changed) {
    this.changed = changed;
    this.#intensity = slider('Voice', {max: 3, step: 0.05, value: 1, spoken: value => `${value} times`});
    this.#intensity.input.id = 'intensity';
    this.#intensity.input.oninput = () => {
      this.intensity = this.#intensity.input.valueAsNumber;
      this.#intensity.show();
      changed();
    };
    this.#drawing = element('select', {id: 'drawing'}, ...drawings.map(({name}, i) => new Option(name, i)));
    this.#relative = element('input', {type: 'checkbox', id: 'relative'});
    this.#drawing.onchange = this.#relative.onchange = changed;
    $('strength').append(this.#intensity.row,
      element('div', {className: 'slider'}, element('label', {}, element('span', {textContent: 'Drawn'}), this.#drawing)),
      element('label', {className: 'switch'}, this.#relative, ' Keep what the photo shows, and add to it'));
    $('reset').onclick = () => this.reset();
  }
  #intensity;
  #drawing;
  #relative;
  /// How the face is to be drawn, as the server's messages have it.
  get drawing() {
    const {detail, passes} = drawings[this.#drawing.value];
    return {detail, passes, relative: this.#relative.checked};
  }

  /// The server's AUs, emotions and limit; called again when the connection comes back.
  build({au_names, emotions}) {
    if (this.#units.length) return;
    for (const name of Object.keys(emotions)) {
      const made = slider(name[0].toUpperCase() + name.slice(1), {});
      made.input.dataset.emotion = name;
      made.input.oninput = () => {
        this.mix[name] = made.input.valueAsNumber;
        made.show();
        this.changed();
      };
      this.#emotions[name] = made;
      this.mix[name] = 0;
      $('emotions').append(made.row);
    }
    for (const group of groups) {
      const field = element('fieldset', {className: 'units'}, element('legend', {textContent: group.name}));
      field.style.setProperty('--group', `var(${group.colour})`);
      for (const au of Object.keys(group.units).filter(name => au_names.includes(name))) {
        field.append(this.#unit(au, au_names.indexOf(au)));
      }
      $('units').append(field);
    }
  }

  #unit(au, index) {
    const made = slider(unit_name(au), {});
    made.input.dataset.au = au;
    made.row.querySelector('label span').append(' ', element('small', {textContent: au}));
    const free = element('button', {type: 'button', className: 'free quiet', textContent: '×', hidden: true,
                                    title: 'Give back to voice and emotion', ariaLabel: `Give ${unit_name(au)} back to voice and emotion`});
    made.input.oninput = () => {
      this.by_hand[index] = made.input.valueAsNumber;
      this.#mark(index);
      this.changed();
    };
    free.onclick = () => {
      delete this.by_hand[index];
      this.#mark(index);
      made.input.focus();
      this.changed();
    };
    made.row.append(free);
    this.#units[index] = {...made, free};
    return made.row;
  }

  #mark(index) {
    const {row, free, show} = this.#units[index], by_hand = index in this.by_hand;
    row.classList.toggle('by-hand', by_hand);
    free.hidden = !by_hand;
    show(by_hand ? ', set by hand' : '');
  }

  /// Moves the AU sliders to what the face wears.
  show(aus) {
    this.#units.forEach(({input, show}, i) => {
      if (i in this.by_hand) return;
      input.value = aus[i];
      show();
    });
  }

  reset() {
    for (const [name, {input, show}] of Object.entries(this.#emotions)) {
      this.mix[name] = input.value = 0;
      show();
    }
    for (const index of Object.keys(this.by_hand)) {
      delete this.by_hand[index];
      this.#mark(index);
    }
    this.intensity = this.#intensity.input.value = 1;
    this.#intensity.show();
    this.#drawing.value = 0;
    this.#relative.checked = false;
    this.changed();
  }
}
