"""What the page's tests stand on: a server of ours, nginx before it, and a Chromium with a fake camera and microphone."""

import base64
import contextlib
import io
import json
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"

# What the page does not show: how many draws are on their way at once, and the devices that it holds.
WATCH = """
window.watch = {flying: 0, most: 0, draws: 0, streams: []};
const type = data => {
  if (typeof data === 'string') return JSON.parse(data).type;
  const bytes = new Uint8Array(data.buffer ?? data), length = new DataView(bytes.buffer).getUint32(0, true);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))).type;
};
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener('message', ({data}) => { if (/picture|cancelled/.test(type(data))) --watch.flying; });
  }
  send(data) {
    if (type(data) === 'draw') {
      ++watch.draws;
      watch.most = Math.max(watch.most, ++watch.flying);
    }
    super.send(data);
  }
};
if (navigator.mediaDevices) {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async wish => {
    const stream = await ask(wish);
    watch.streams.push(stream);
    return stream;
  };
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return value


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """`emoengine serve`, until close()."""

    def __init__(self, program, log, *options, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.log = open(log, "ab")
        self.process = subprocess.Popen([program, "serve", "--port", str(self.port), *options], stdout=self.log, stderr=self.log)
        wait_for(f"server, see {log}", lambda: self.process.poll() is not None or answers(self.url + "v2/health/ready"), 60)
        assert self.process.poll() is None, f"the server ended; see {log}"

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


class Nginx:
    """Before a server, at /x/y/, and with nginx's own 1 MB for a request at /small/."""

    def __init__(self, folder, server):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/x/y/"
        self.small_url = f"http://127.0.0.1:{self.port}/small/"
        place = """location %s {
          proxy_pass http://127.0.0.1:%d/;
          proxy_http_version 1.1;
          proxy_set_header Host $host:$server_port;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $asks_upgrade;
          client_max_body_size %s;
        }"""
        (folder / "nginx.conf").write_text(f"""
          user root; daemon off; pid {folder}/pid; error_log {folder}/nginx.log;
          events {{}}
          http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            map $http_upgrade $asks_upgrade {{ default upgrade; '' close; }}
            server {{
              listen 127.0.0.1:{self.port};
              {place % ("/x/y/", server.port, "64m")}
              {place % ("/small/", server.port, "1m")}
            }}
          }}""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        wait_for("nginx", lambda: answers(self.url))

    def close(self):
        self.process.terminate()
        self.process.wait()


def make_devices(program, folder):
    """A camera that looks at the sample portrait, which is surprised by and by, and a microphone that hears the happy sample, both
    for ever."""
    portrait, surprised = ROOT / "tools/emoengine/serve/page/astronaut.jpg", SAMPLES / "surprised.flac"
    subprocess.run([program, "animate", "--quiet", "--image", portrait, "--audio", surprised, "--fps", "10", "-o", folder / "camera.mp4"], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", folder / "camera.mp4", "-an", "-vf", "scale=680:680", "-pix_fmt", "yuvj420p",
                    "-c:v", "mjpeg", "-q:v", "3", folder / "camera.mjpeg"], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", SAMPLES / "happy.flac", "-ar", "48000", "-ac", "2", folder / "microphone.wav"],
                   check=True)


class Browser:
    def __init__(self, folder, width, height, dark=False):
        self.downloads = folder / f"downloads-{width}{'-dark' * dark}"
        self.downloads.mkdir(exist_ok=True)
        self.taken = 0
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                         "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                         f"--use-file-for-fake-audio-capture={folder}/microphone.wav",
                         f"--use-file-for-fake-video-capture={folder}/camera.mjpeg",
                         "--host-resolver-rules=MAP face.test 127.0.0.1", f"--window-size={width},{height}"]:
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(60)
        command = self.driver.execute_cdp_cmd
        command("Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        if dark:
            command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        command("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        command("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(self.downloads)})

    def close(self):
        self.driver.quit()

    def open(self, url, wait_ready=True):
        self.driver.get(url)
        self.driver.get_log("browser")  # those of the page before
        if wait_ready:
            self.wait("the server", lambda: self.text("#status").startswith("Ready"))

    def run(self, script, *args):
        return self.driver.execute_script("const $ = (s) => document.querySelector(s);" + script, *args)

    def get(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return $(arguments[0]).innerText", selector)

    def click(self, selector):
        self.run("$(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self.get(selector).click()

    def wait(self, what, condition, seconds=20):
        try:
            return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: condition())
        except Exception as error:
            raise TimeoutError(f"{what}: not within {seconds} s; the page says '{self.text('#message')}'") from error

    def set(self, selector, value):
        """A slider's value, as the mouse would set it."""
        self.run("const e = $(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input', {bubbles: true}))", selector, value)

    def drop(self, *files):
        """Drops files on the page."""
        given = [[f.name, {".flac": "audio/flac", ".png": "image/png", ".jpg": "image/jpeg"}.get(f.suffix, ""),
                  base64.b64encode(f.read_bytes()).decode()] for f in files]
        self.run("""const data = new DataTransfer();
                    for (const [name, type, text] of arguments[0]) {
                      const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
                      data.items.add(new File([bytes], name, {type}));
                    }
                    for (const type of ['dragover', 'drop'])
                      document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));""", given)

    def stage(self):
        """What is to be seen of the photo, without headline and frames."""
        self.run("document.documentElement.classList.add('bare')")
        if not self.run("return document.getElementById('bare')"):
            self.run("""const sheet = new CSSStyleSheet();
                        sheet.replaceSync('.bare #headline, .bare #faces, .bare #crop, .bare #latency, .bare #stage::after { display: none !important }');
                        if (!document.adoptedStyleSheets.length) document.adoptedStyleSheets = [sheet];""")
        picture = Image.open(io.BytesIO(self.get("#stage").screenshot_as_png)).convert("RGB")
        self.run("document.documentElement.classList.remove('bare')")
        return picture

    def drawn(self):
        """What the newest picture shows: AUs in percent, or None."""
        return self.run("return $('#face').hidden ? null : $('#face').dataset.aus")

    def downloaded(self, ending, seconds=60):
        def complete():
            files = [f for f in self.downloads.glob("*.*") if f.is_file()]
            return len(files) == 1 and files[0].suffix == ending and files[0]

        file = wait_for(f"a download of {ending}", complete, seconds)
        self.taken += 1
        (self.downloads / str(self.taken)).mkdir()
        return file.rename(self.downloads / str(self.taken) / file.name), file.name

    def errors(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def probe(file, *entries):
    """ffprobe's words about a file."""
    output = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", file],
                            check=True, capture_output=True).stdout
    return json.loads(output)


@contextlib.contextmanager
def closing_all(*things):
    try:
        yield
    finally:
        for thing in things:
            thing.close()
