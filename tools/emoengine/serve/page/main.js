// The page: what is loaded, what is asked for, and who hears of it.

import {devices_allowed, listen, record, take_photo, to_wav, watch} from './capture.js';
import {Curves, blend, read_emotion} from './expression.js';
import {set_up_files} from './files.js';
import {prepare} from './photo.js';
import {Player} from './player.js';
import {set_up_saving} from './save.js';
import {Session} from './session.js';
import {Sliders} from './sliders.js';
import {Stage} from './stage.js';
import {Timeline} from './timeline.js';

const $ = id => document.getElementById(id);

let server = {au_names: [], emotions: {}};  // its answer to hello
let photo = null;     // {file, shown, faces, chosen}, once it has a face
let voice = null;     // {file, curves, aus (of the whole clip), seconds, waveform}
let time = null;      // moment of the voice that the face wears; null: the whole clip
let live = null;      // {button, update(), stop()} while the microphone or the camera drives the face
let touched = false;  // until something is asked for, the photo stays as it is

const session = new Session();
const stage = new Stage(choose_face);
const sliders = new Sliders(changed);
const timeline = new Timeline({sought, bent: seconds => { time = seconds; changed(); }});
const player = new Player($('audio'), {
  draw: seconds => photo && session.ready ? draw(expression(seconds)).catch(() => null) : null,
  show: (picture, seconds) => stage.show_face(picture, {seconds}),
  moved: seconds => { time = seconds; show_expression(); timeline.show_time(seconds); },
  ended: at_end => { press($('play'), false, 'Play'); sought(at_end ? null : time); },
});

function say(text, bad = false) {
  $('message').textContent = text;
  $('message').classList.toggle('bad', bad);
}

/// `work`, with what it throws said on the page.
const attempt = work => async (...args) => {
  try { await work(...args); } catch (error) { say(error.message, true); }
};

function press(button, on, text) {
  button.ariaPressed = on;
  button.textContent = text;
}

function rest() {  // nothing moves by itself any more
  player.stop();
  end_live();
}

// What the face wears

function expression(seconds) {
  const heard = voice && (seconds === null ? voice.aus : voice.curves.at(seconds));
  return blend({voice: heard, intensity: sliders.intensity, mix: sliders.mix, prototypes: server.emotions,
                by_hand: sliders.by_hand, count: server.au_names.length});
}

function show_expression(aus = expression(time)) {
  sliders.show(aus);
  if (!touched || !photo) return;
  const {name, strength} = read_emotion(aus, server.emotions);
  $('headline').hidden = false;
  $('headline').firstElementChild.textContent = name;
  $('headline').lastElementChild.textContent = name === 'neutral' ? '' : strength.toFixed(2);
}

// Something that every picture depends on has changed.
function changed() {
  touched = true;
  player.forget();
  if (live) return live.update();
  sought(time);
}

function sought(seconds) {
  touched = true;
  time = seconds;
  timeline.show_time(time);
  if (player.playing) {
    if (Math.abs(player.now - (time ?? 0)) > 0.05) player.seek(time ?? 0);
  } else {
    show_expression();
    want(expression(time));
  }
}

// One picture is on its way, the newest wish waits, older ones are dropped.

let wanted = null, drawing = false;

async function want(aus) {
  if (!photo) return;
  wanted = aus;
  if (drawing) return;
  drawing = true;
  try {
    while (wanted && session.ready) {
      const wish = wanted;
      wanted = null;
      const picture = await draw(wish);
      if (picture && !player.playing && !live) await stage.show_face(picture, {aus: wish.map(value => value.toFixed(2))});
    }
  } catch (error) {
    if (session.ready) say(error.message, true);  // else drawn again once the connection is back
  } finally {
    drawing = false;
  }
}

/// Null for a picture that a newer wish has overtaken.
async function draw(aus) {
  const asked = performance.now();
  const answer = await session.request({type: 'draw', aus, ...sliders.drawing, format: 'jpeg', whole: false});
  return answer.type === 'picture' ? {...answer, trip_ms: performance.now() - asked} : null;
}

// Photo

const use_photo = attempt(async file => {
  rest();
  say('Looking for faces …');
  const prepared = await prepare(file);
  photo = null;
  $('headline').hidden = true;
  if (prepared.shown) await stage.show_photo(prepared.file, file.name); else stage.empty();
  await session.connected();
  await send_photo(prepared);
  const next = voice || touched ? '' : 'Now give it a voice, or move the sliders.';
  say([photo.faces.length > 1 ? `${photo.faces.length} faces found; click on one to choose it.` : 'Face found.', next,
       prepared.smaller ? 'The photo was made smaller to travel.' : ''].join(' '));
  if (voice || touched) changed();
});

async function send_photo({file, shown}) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const {faces, chosen, width, height, ...answer} =
    await session.request({type: 'photo', name: file.name, preview: !shown}, bytes);
  if (!shown && answer.bytes) await stage.show_photo(new Blob([answer.bytes]), file.name);
  photo = {file, shown, faces, chosen};
  stage.show_faces(faces, chosen, width, height);
}

async function choose_face(index) {
  if (!photo || index === photo.chosen) return;
  await attempt(async () => {
    await session.request({type: 'face', index});
    photo.chosen = index;
    stage.clear_face();
    stage.mark(index);
    say(`Face ${index + 1} of ${photo.faces.length} chosen.`);
    if (touched) changed();
  })();
}

// Voice

const use_voice = attempt(async file => {
  rest();
  say('Listening …');
  await session.connected();
  const hear = async sound => {
    const answer = await session.request({type: 'voice', name: sound.name}, new Uint8Array(await sound.arrayBuffer()));
    return {...answer, file: sound, curves: new Curves(answer.rows, answer.fps, answer.seconds)};
  };
  voice = await hear(file).catch(async error => {
    // A server without FFmpeg reads fewer kinds of sound than the browser does.
    const wav = session.ready && await to_wav(file).catch(() => null);
    if (!wav) throw error;
    return hear(wav);
  });
  player.load(file, voice.seconds, voice.fps);
  timeline.show_voice(voice);
  time = null;
  changed();
  say(`Heard ${voice.seconds.toFixed(1)} s: ${voice.emotion}. ${photo ? 'Press Play; hold “Before” to compare.' : 'Now choose a photo.'}`);
});

$('play').onclick = async () => {
  if (player.playing) return player.stop();
  end_live();
  touched = true;
  press($('play'), true, 'Pause');
  await player.play(time === null || time > voice.seconds - 0.1 ? 0 : time);
  if (player.silent) say('This browser cannot play that sound, so the face moves without it. A saved MP4 has it.');
};
$('whole').onclick = () => { rest(); sought(null); };

// Camera and microphone

for (const button of document.querySelectorAll('[data-does=camera]')) {
  button.onclick = attempt(async () => {
    const file = await take_photo();
    if (file) await use_photo(file);
  });
}

let recorder = null;
$('record').onclick = attempt(async () => {
  if (recorder) return recorder.stop();
  rest();
  const told = (seconds, level) => {
    $('record').textContent = `Stop ${seconds.toFixed(0)} s`;
    $('level').value = level;
  };
  recorder = await record(told, file => {
    recorder = null;
    press($('record'), false, 'Record');
    $('level').hidden = true;
    use_voice(file);
  });
  press($('record'), true, 'Stop');
  $('level').hidden = false;
  say(`Recording. Speak, then press Stop. ${recorder.note}`);
});

/// What a live voice or face is drawn with: the sliders have a say.
const live_wish = () => ({
  intensity: sliders.intensity, ...sliders.drawing,
  emotion: Object.entries(sliders.mix).map(([name, share]) => `${name}=${share}`).join(),
  au: Object.entries(sliders.by_hand).map(([i, value]) => `${server.au_names[i]}=${value}`).join(),
});

function begin_live(button, first, text, update, stop) {
  live = {button, text: button.textContent, update, stop};
  touched = true;
  press(button, true, 'Stop');
  $('latency').hidden = false;
  $('latency').textContent = first;
  say(text);
}

$('live').onclick = attempt(async () => {
  if (live?.button === $('live')) return end_live();
  rest();
  if (!photo) return say('Choose a photo first; then its face follows your voice.', true);
  let stream = null, start_s = Infinity;  // start_s: on this page's clock, when the sound began
  const source = await listen((samples, seconds) => {
    start_s = Math.min(start_s, performance.now() / 1000 - seconds);
    stream?.send({type: 'pcm'}, samples);
    timeline.add_live_sound(seconds, Math.max(...samples.map(Math.abs)));
  }, error => { end_live(); say(error.message, true); });
  const wish = () => ({type: 'live', rate: source.rate, ...live_wish()});
  stream = session.stream(wish(), async answer => {
    if (!live || answer.type === 'live') return;
    timeline.add_live_row(answer.seconds, answer.aus);
    if (answer.type !== 'frame') return;
    show_expression(answer.aus);
    if (!await stage.show_face(answer, {seconds: answer.seconds})) return;
    $('latency').textContent = `${Math.round(performance.now() - 1000 * (start_s + answer.seconds))} ms behind`;
  }, error => { end_live(); if (error) say(error.message, true); });
  begin_live($('live'), 'Speak …', `Live: the face follows your voice. ${source.note}`, () => stream.send(wish()),
             () => { stream.stop(); source.stop(); timeline.end_live(); });
  timeline.show_live();
});

$('mirror').onclick = attempt(async () => {
  if (live?.button === $('mirror')) return end_live();
  rest();
  if (!photo) return say('Choose a photo first; then its face follows yours.', true);
  let begin = true;
  const source = await watch(async picture => {
    const taken = performance.now();
    const answer = await session.request({type: 'drive', begin, ...live_wish()}, new Uint8Array(await picture.arrayBuffer()));
    begin = false;
    if (live?.button !== $('mirror')) return;
    if (answer.type === 'nobody') {
      $('latency').textContent = 'No face before the camera';
      return;
    }
    show_expression(answer.aus);
    if (await stage.show_face(answer, {})) $('latency').textContent = `${Math.round(performance.now() - taken)} ms behind`;
  }, error => { end_live(); say(error.message, true); });
  begin_live($('mirror'), 'Look into the camera …', 'The face follows yours. Begin with a face at rest: changes from it are shown.',
             () => {}, source.stop);
});

function end_live() {
  if (!live) return;
  live.stop();
  press(live.button, false, live.text);
  live = null;
  $('latency').hidden = true;
  say('');
  sought(time);
}

if (!devices_allowed) {
  $('insecure').hidden = false;
  for (const button of document.querySelectorAll('[data-does=camera], #record, #live, #mirror')) button.disabled = true;
}

// Files in and out

set_up_files({photo: use_photo, voice: use_voice, say});

// Without a voice the face goes into its expression and back, in two seconds.
function rows_to_save() {
  if (voice) return voice.curves.rows.map((_, i) => expression(i / voice.fps));
  const aus = expression(null), frames = 50;
  return Array.from({length: frames}, (_, i) => aus.map(value => value * (1 - Math.cos(2 * Math.PI * i / (frames - 1))) / 2));
}

set_up_saving(session, () => {
  rest();
  return photo && {photo, voice, aus: expression(time), rows: rows_to_save(), fps: voice?.fps ?? 25, drawing: sliders.drawing,
                   au_names: server.au_names};
}, say);

// The server

function status(text, kind) {
  $('status').className = kind;
  $('status').firstElementChild.textContent = text;
}

session.addEventListener('ready', attempt(async ({detail}) => {
  server = detail;
  $('key').close();
  status(`Ready on ${detail.backend}: ${Math.round(detail.generator_ms)} ms a face`, 'good');
  sliders.build(detail);
  timeline.build(detail.au_names);
  if (!photo) return;
  const {chosen} = photo;  // the server forgot the photo with the old connection
  await send_photo(photo);
  await choose_face(chosen);
  if (touched) changed();
}));
session.addEventListener('lost', ({detail}) => {
  status(`${detail.reason || 'No connection.'} Trying again in ${Math.ceil(detail.seconds)} s.`, 'bad');
});
session.addEventListener('key', ({detail}) => {
  status('Needs a key', 'bad');
  $('key-error').textContent = detail;
  $('key-input').value = '';
  $('key').showModal();
});
$('key').querySelector('form').onsubmit = () => session.use_key($('key-input').value);
$('key').oncancel = event => event.preventDefault();
session.connect();
