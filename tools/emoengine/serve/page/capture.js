// Camera and microphone: a photo, a recording, a live voice, a live face. Every device is let go as soon as it has done its work.

const $ = id => document.getElementById(id);
const longest_recording_s = 60;

/// Browsers give devices only to secure origins.
export const devices_allowed = isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);

function explain(error, device) {
  if (error.name === 'NotAllowedError') return new Error(`The ${device} was not allowed. Allow it in the browser's address bar.`);
  if (error.name === 'NotFoundError') return new Error(`No ${device} was found.`);
  if (error.name === 'NotReadableError') return new Error(`The ${device} is in use by another program.`);
  return error;
}

// Filters that make a call pleasant change the voice that we read.
const as_spoken = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};

async function microphone() {
  const stream = await navigator.mediaDevices.getUserMedia({audio: as_spoken}).catch(error => { throw explain(error, 'microphone'); });
  const got = stream.getAudioTracks()[0].getSettings();
  const kept = Object.keys(as_spoken).filter(filter => got[filter]);
  return {stream, note: kept.length ? `This browser keeps ${kept.join(', ')} on, which changes the voice.` : ''};
}

const let_go = stream => stream.getTracks().forEach(track => track.stop());

const camera = (width, height) =>
  navigator.mediaDevices.getUserMedia({video: {facingMode: 'user', width: {ideal: width}, height: {ideal: height}}})
    .catch(error => { throw explain(error, 'camera'); });

/// What the video shows now, as a JPEG Blob.
function picture_of(video, quality) {
  const canvas = Object.assign(document.createElement('canvas'), {width: video.videoWidth, height: video.videoHeight});
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new Promise(resolve => canvas.toBlob(resolve, 'image/jpeg', quality));
}

/// Asks for a photo in a dialog. Resolves to a File, or null when it was closed.
export async function take_photo() {
  const stream = await camera(1280, 960);
  const video = $('viewfinder'), dialog = $('camera');
  try {
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
    const shot = await new Promise(resolve => {
      $('shoot').onclick = () => picture_of(video, 0.95).then(resolve);
      $('camera-close').onclick = dialog.onclose = () => resolve(null);
    });
    return shot && new File([shot], 'camera.jpg', {type: shot.type});
  } finally {
    let_go(stream);
    video.srcObject = null;
    dialog.onclose = null;
    dialog.close();
  }
}

/// The camera's pictures, JPEG Blobs: `shown(picture)` is given the next when it has done with the one before.
export async function watch(shown, lost) {
  const stream = await camera(640, 480);
  const video = Object.assign(document.createElement('video'), {muted: true, playsInline: true, srcObject: stream});
  let watching = true;
  const stop = () => {
    watching = false;
    let_go(stream);
  };
  stream.getVideoTracks()[0].onended = () => lost(new Error('The camera went away.'));
  const look = async () => {
    await video.play();
    while (watching) {
      const picture = await picture_of(video, 0.85);
      if (picture && watching) await shown(picture);
    }
  };
  look().catch(error => { if (watching) lost(error); });
  return {stop};
}

/// Records until stop() or a minute has passed. `told(seconds, level)` hears of it ten times a second; `done(file)` at the end.
export async function record(told, done) {
  const {stream, note} = await microphone();
  // MP4 first: Safari says that it can do WebM, but its files do not play.
  const type = ['audio/mp4', 'audio/webm;codecs=opus', 'audio/ogg;codecs=opus'].find(each => MediaRecorder.isTypeSupported(each));
  const recorder = new MediaRecorder(stream, type && {mimeType: type});
  const context = new AudioContext(), meter = context.createAnalyser(), samples = new Float32Array(meter.fftSize);
  context.createMediaStreamSource(stream).connect(meter);
  const chunks = [], started = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    meter.getFloatTimeDomainData(samples);
    told(seconds, Math.max(...samples.map(Math.abs)));
    if (seconds > longest_recording_s) stop();
  }, 100);
  const stop = () => {
    clearInterval(timer);
    if (recorder.state !== 'inactive') recorder.stop();
  };
  recorder.ondataavailable = ({data}) => chunks.push(data);
  recorder.onstop = () => {
    let_go(stream);
    context.close();
    const kind = recorder.mimeType.split(';')[0];
    done(new File(chunks, `recording.${{'audio/mp4': 'm4a', 'audio/ogg': 'ogg'}[kind] ?? 'webm'}`, {type: kind}));
  };
  recorder.start();
  return {stop, note};
}

/// The microphone's samples as they come: `block(samples, seconds)`, seconds being the time in the sound at the block's end.
/// The context has the device's own rate: Firefox takes no other.
export async function listen(block, lost) {
  const {stream, note} = await microphone();
  const context = new AudioContext();
  if (context.state === 'suspended') await context.resume();
  await context.audioWorklet.addModule(new URL('live-worklet.js', import.meta.url));
  const worklet = new AudioWorkletNode(context, 'microphone', {numberOfOutputs: 0});
  let sent = 0;
  worklet.port.onmessage = ({data}) => {
    sent += data.length;
    block(data, sent / context.sampleRate);
  };
  context.createMediaStreamSource(stream).connect(worklet);
  const stop = () => {
    worklet.port.onmessage = context.onstatechange = null;
    let_go(stream);
    context.close();
  };
  // iOS interrupts for a call, and what it resumes may stay silent: the next tap makes a new one.
  context.onstatechange = () => { if (context.state !== 'running') lost(new Error('The microphone was interrupted. Press Live again.')); };
  stream.getAudioTracks()[0].onended = () => lost(new Error('The microphone went away.'));
  return {rate: context.sampleRate, note, stop};
}

/// A sound that the server cannot read, decoded by the browser, as 16-bit mono WAV.
export async function to_wav(file) {
  const context = new OfflineAudioContext(1, 1, 16000);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const samples = sound.length, view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const text = (offset, letters) => [...letters].forEach((letter, i) => view.setUint8(offset + i, letter.charCodeAt(0)));
  text(0, 'RIFF'); view.setUint32(4, 36 + 2 * samples, true); text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, sound.sampleRate, true); view.setUint32(28, 2 * sound.sampleRate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, 'data'); view.setUint32(40, 2 * samples, true);
  const channels = Array.from({length: sound.numberOfChannels}, (_, i) => sound.getChannelData(i));
  for (let i = 0; i < samples; ++i) {
    const mono = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    view.setInt16(44 + 2 * i, Math.round(32767 * Math.min(1, Math.max(-1, mono))), true);
  }
  return new File([view], file.name.replace(/\.\w+$/, '') + '.wav', {type: 'audio/wav'});
}
