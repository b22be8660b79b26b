// Files from the user: chosen, dropped, pasted; or one of the samples.

const $ = id => document.getElementById(id);

async function sample(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`The sample ${name} is not on this server.`);
  const blob = await response.blob();
  return new File([blob], name, {type: blob.type});
}

/// photo(file), voice(file), say(text, bad)
export function set_up_files({photo, voice, say}) {
  for (const [id, use] of [['photo-file', photo], ['photo-file-again', photo], ['voice-file', voice]]) {
    $(id).onchange = ({target}) => {
      const [file] = target.files;
      if (file) use(file);
      target.value = '';  // so that the same file can be chosen again
    };
  }

  // By its type, or where the browser knows none, by its ending.
  const use = file => {
    const kind = file.type.split('/')[0];
    if (kind === 'image' || /\.(heic|heif|avif|jxl|tiff?|webp)$/i.test(file.name)) return photo(file);
    if (kind === 'audio' || kind === 'video' || /\.(flac|amr|ac3|wma|opus|m4a|3gp)$/i.test(file.name)) return voice(file);
    say(`${file.name} is neither a photo nor a sound.`, true);
  };
  const dropping = on => document.body.classList.toggle('dropping', on);
  addEventListener('dragover', event => { event.preventDefault(); dropping(true); });
  addEventListener('dragleave', event => { if (!event.relatedTarget) dropping(false); });
  addEventListener('drop', async event => {
    event.preventDefault();
    dropping(false);
    for (const file of event.dataTransfer.files) await use(file);
  });
  addEventListener('paste', event => [...event.clipboardData.files].forEach(use));

  const show = async (...names) => {
    try {
      for (const name of names) await use(await sample(name));
    } catch (error) { say(error.message, true); }
  };
  $('sample').onclick = () => show('astronaut.jpg', 'surprised.flac');
  for (const button of document.querySelectorAll('[data-sample]')) button.onclick = () => show(button.dataset.sample);
}
