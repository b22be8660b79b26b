// PNG, MP4 and GIF come from the server over HTTP; the CSV is written here.

import {to_csv} from './expression.js';
import {shrink} from './photo.js';
import {post} from './session.js';

const $ = id => document.getElementById(id);

const stem = file => file.name.replace(/\.\w+$/, '').replace(/[^\p{L}\p{N}.-]+/gu, '_') || 'face';
const progress = text => $('work').querySelector('span').textContent = text;

/// {png, mp4, gif, csv}: each makes a Blob. what: {photo, voice (or null), aus, rows, fps, drawing, au_names}.
function makers(session, what, say, signal) {
  const {photo, voice, aus, rows, fps, drawing: {detail, passes, relative}, au_names} = what;

  async function upload(path, fields) {
    const send = image => post(session, path, {image, face: photo.chosen, passes, detail, relative: relative ? 'on' : 'off', ...fields}, signal);
    const response = await send(photo.file).catch(async error => {
      if (error.status !== 413 || !photo.shown) throw error;
      say('A proxy takes only small files, so the photo is sent smaller.');
      return send(await shrink(photo.file));
    });
    // Read in pieces, so that progress shows and a long video is no silence.
    const pieces = [], reader = response.body.getReader();
    for (let size = 0, piece; !(piece = await reader.read()).done;) {
      pieces.push(piece.value);
      size += piece.value.length;
      progress(`${(size / 1e6).toFixed(1)} MB`);
    }
    return new Blob(pieces, {type: response.headers.get('Content-Type')});
  }

  const animate = format => upload('v1/animate', {audio: voice?.file, curve: to_csv(rows, fps, au_names), fps, format});
  return {
    png: () => upload('v1/generate', {aus: JSON.stringify(Object.fromEntries(au_names.map((name, i) => [name, aus[i]])))}),
    mp4: () => animate('mp4'),
    gif: () => animate('gif'),
    csv: async () => new Blob([to_csv(rows, fps, au_names)], {type: 'text/csv'}),
  };
}

async function hand_over(blob, name, share) {
  if (share) return navigator.share({files: [new File([blob], name, {type: blob.type})]});
  const link = Object.assign(document.createElement('a'), {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/// Wires the buttons. now(): what is to be saved, as above, or null while there is no face.
export function set_up_saving(session, now, say) {
  $('share').hidden = !navigator.canShare?.({files: [new File([''], 'face.png', {type: 'image/png'})]});
  for (const button of document.querySelectorAll('[data-save]')) {
    button.onclick = async () => {
      const what = now(), format = button.dataset.save, share = button === $('share');
      if (!what) return say('Choose a photo with a face first.', true);
      const name = [what.photo, what.voice].filter(Boolean).map(({file}) => stem(file)).join('_') + '.' + format;
      const controller = new AbortController();
      $('cancel').onclick = () => controller.abort();
      $('save').inert = true;
      $('work').hidden = false;
      progress(`Making ${name} …`);
      say('');
      try {
        await hand_over(await makers(session, what, say, controller.signal)[format](), name, share);
        say(`${share ? 'Shared' : 'Saved'} ${name}.`);
      } catch (error) {
        error.name === 'AbortError' ? say('Cancelled.') : say(error.message, true);
      } finally {
        $('work').hidden = true;
        $('save').inert = false;
      }
    };
  }
}
