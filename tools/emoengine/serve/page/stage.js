// The photo, the faces found on it, and the redrawn face laid over it.

const $ = id => document.getElementById(id);

/// Decodes a picture's bytes, once; for one that will be wanted soon, ahead of its time.
export const decode = picture => picture.decoded ??= createImageBitmap(new Blob([picture.bytes]));

export function forget_decoded(picture) {
  picture?.decoded?.then(bitmap => bitmap.close());
  if (picture) picture.decoded = undefined;
}

/// `choose` is called with a face's index when the user picks it.
export class Stage {
  #size = null;   // [width, height] of the photo as the server counts its pixels
  #faces = [];
  #chosen = 0;
  #url = '';
  #asked = 0;     // pictures are decoded side by side: none may show after one that was asked for later
  #shown = 0;

  constructor(choose) {
    this.choose = choose;
    this.stage = $('stage');
    new ResizeObserver(() => this.#lay_out()).observe(this.stage);
    $('zoom').onclick = () => this.zoom($('zoom').ariaPressed !== 'true');
    this.#hear_before();
  }

  empty() {
    this.show_faces([], 0, 1, 1);
    $('plane').hidden = $('tools').hidden = true;
    $('welcome').hidden = false;
    this.stage.classList.remove('filled');
  }

  /// Shows a photo, without faces yet. blob: what the browser can decode.
  async show_photo(blob, name) {
    URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    const photo = $('photo');
    photo.src = this.#url;
    await photo.decode();
    photo.alt = name;
    $('welcome').hidden = true;
    $('plane').hidden = $('tools').hidden = false;
    this.stage.classList.add('filled');
    this.show_faces([], 0, photo.naturalWidth, photo.naturalHeight);
  }

  show_faces(faces, chosen, width, height) {
    this.#size = [width, height];
    this.#faces = faces;
    this.#chosen = chosen;
    this.clear_face();
    $('faces').replaceChildren(...faces.map((face, i) => {
      const button = document.createElement('button');
      button.type = 'button';
      place(button, face.box, this.#size, face.roll);
      button.onclick = () => this.choose(i);
      return button;
    }));
    $('zoom').disabled = !faces.length;
    this.mark(chosen);
    // A small face in a large photo: nearer, unless there are others to choose from.
    this.zoom(faces.length === 1 && faces[0].crop[3] < 0.4 * height);
  }

  mark(chosen) {
    this.#chosen = chosen;
    const face = this.#faces[chosen];
    [...$('faces').children].forEach((button, i) => {
      button.ariaPressed = i === chosen;
      button.ariaLabel = `Face ${i + 1} of ${this.#faces.length}`;
    });
    $('crop').hidden = !face;
    if (face) place($('crop'), face.crop, this.#size, face.roll);
    this.#lay_out();
  }

  zoom(on) {
    $('zoom').ariaPressed = on;
    $('zoom').textContent = on ? 'Zoom out' : 'Zoom in';
    this.#lay_out();
  }

  /// Lays a redrawn crop (JPEG or PNG bytes) over the photo; `about` says what it shows. False when a newer one is there already.
  async show_face(drawn, about) {
    const turn = ++this.#asked, {crop, ms, trip_ms} = drawn, picture = await decode(drawn);
    if (turn < this.#shown) return false;
    this.#shown = turn;
    const canvas = $('face');
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      [canvas.width, canvas.height] = [picture.width, picture.height];
    }
    canvas.getContext('2d').drawImage(picture, 0, 0);
    forget_decoded(drawn);
    place(canvas, crop, this.#size);
    Object.assign(canvas.dataset, {ms, trip_ms, ...about});
    canvas.hidden = false;
    this.stage.classList.add('drawn');
    return true;
  }

  clear_face() {
    this.#shown = ++this.#asked;
    $('face').hidden = true;
    this.stage.classList.remove('drawn');
  }

  // The photo as it was, while the key B or the button is held.
  #hear_before() {
    const button = $('before');
    const show = on => {
      this.stage.classList.toggle('before', on);
      button.ariaPressed = on;
    };
    button.onpointerdown = event => { button.setPointerCapture(event.pointerId); show(true); };
    button.onpointerup = button.onpointercancel = button.onblur = () => show(false);
    button.oncontextmenu = event => event.preventDefault();  // a long touch
    addEventListener('keydown', event => {
      const typing = event.target.matches('input:not([type=range]), select, dialog *');
      const letter = event.key.toLowerCase() === 'b' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (!letter && !(event.target === button && (event.key === ' ' || event.key === 'Enter'))) return;
      event.preventDefault();
      if (!$('tools').hidden) show(true);
    });
    addEventListener('keyup', () => show(false));
    addEventListener('blur', () => show(false));
  }

  // The plane is sized in pixels rather than scaled, so that the frames' lines keep their width.
  #lay_out() {
    if (!this.#size) return;
    const [width, height] = this.#size, {clientWidth, clientHeight} = this.stage;
    const face = $('zoom').ariaPressed === 'true' && this.#faces[this.#chosen];
    const [x, y, w, h] = face ? around(face.crop, 2.3, this.#size) : [0, 0, width, height];
    const scale = Math.min(clientWidth / w, clientHeight / h);
    // The region's middle in the middle of the stage, but no empty rim where there is photo left.
    const offset = (start, length, full, room) =>
      full * scale <= room ? (room - full * scale) / 2
                           : Math.min(0, Math.max(room - full * scale, room / 2 - (start + length / 2) * scale));
    Object.assign($('plane').style, {
      width: `${width * scale}px`, height: `${height * scale}px`,
      left: `${offset(x, w, width, clientWidth)}px`, top: `${offset(y, h, height, clientHeight)}px`,
    });
  }
}

function around([x, y, w, h], factor, [width, height]) {
  const side = Math.min(factor * Math.max(w, h), width, height);
  return [x + (w - side) / 2, y + (h - side) / 2, side, side];
}

/// roll: radians clockwise, about the middle.
function place(element, [x, y, w, h], [width, height], roll = 0) {
  Object.assign(element.style, {
    left: `${100 * x / width}%`, top: `${100 * y / height}%`, width: `${100 * w / width}%`, height: `${100 * h / height}%`,
    rotate: roll ? `${roll}rad` : '',
  });
}
