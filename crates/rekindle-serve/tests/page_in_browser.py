"""Opens the page of a running service in a real browser: a picture is chosen, dropped and pasted, answers and heat maps come, by mouse and by
keyboard; nothing but the service is asked, no console message, no sideways scrolling.

Usage: python page_in_browser.py FOLDER http://127.0.0.1:8000/ PICTURE NO_PICTURE     (Chromium 140 or later on PATH, websocket-client 1.9)

PICTURE is an image of a class that the model knows, NO_PICTURE a file that is none. Writes screenshots at 400 and 1400 pixels, light and
dark, into FOLDER, to be looked at. Not part of CI.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket

folder, address, picture, no_picture = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory()
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--remote-allow-origins=*"]
        self.process = subprocess.Popen(command + [f"--user-data-dir={self.profile.name}", "about:blank"], stderr=subprocess.DEVNULL)
        port_file = pathlib.Path(self.profile.name) / "DevToolsActivePort"
        for _ in range(600):
            if port_file.exists() and port_file.read_text().strip():
                break
            time.sleep(0.1)
        port = port_file.read_text().split()[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        self.socket = websocket.create_connection(next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page"), timeout=120)
        self.number, self.events = 0, []
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Accessibility"]:
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def js(self, code):
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, code):
        for _ in range(600):
            value = self.js(code)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"{code} has not come: {self.js('document.body.innerText')}")

    def open(self, width, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && document.getElementById('about').textContent")

    def choose(self, file):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(pathlib.Path(file).resolve())], nodeId=node)

    def key(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text="\r" if key == "Enter" else "")

    def fits(self):
        overflow = self.js("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{overflow} pixels too wide"

    def screenshot(self, name):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        (folder / name).write_bytes(base64.b64decode(shot["data"]))


ANSWERED = "!document.getElementById('result').hidden && document.getElementById('status').textContent === ''"
MAP = "!document.getElementById('map').hidden && document.getElementById('overlay').naturalWidth > 0 && document.getElementById('overlay').alt"
DATA = """(() => { const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(%s), c => c.charCodeAt(0))], 'given.png', {type: 'image/png'})); return data; })()"""


def check(browser):
    for width in (400, 1400):
        for scheme in ("light", "dark"):
            browser.open(width, scheme)
            browser.fits()
            browser.screenshot(f"empty-{width}-{scheme}.png")
            browser.choose(picture)
            browser.until(ANSWERED)
            alt = browser.until(MAP)
            browser.js("document.getElementById('picture').decode().catch(() => 0)")
            browser.fits()
            browser.screenshot(f"answer-{width}-{scheme}.png")
    answer = browser.js("document.getElementById('answer').textContent")
    assert browser.js("document.activeElement.id") == "answer", "a screen reader is not told of the answer"
    best = browser.js("document.querySelector('#rows button').textContent")
    assert answer.startswith(best) and best in alt, (answer, best, alt)

    # Another class by mouse, and one by keyboard.
    names = browser.js("[...document.querySelectorAll('#rows button')].map(b => b.textContent)")
    pressed = "document.querySelector('#rows button[aria-pressed=true]')?.textContent"
    browser.js("document.querySelectorAll('#rows button')[1].click()")
    browser.until(f"{pressed} === {json.dumps(names[1])}")
    assert names[1] in browser.js("document.getElementById('overlay').alt")
    browser.js("document.querySelectorAll('#rows button')[0].focus()")
    browser.key("Enter", 13)
    browser.until(f"{pressed} === {json.dumps(names[0])}")

    # The keyboard reaches the choice of a file first.
    browser.open(1400, "light")
    browser.js("document.body.focus()")
    browser.key("Tab", 9)
    assert browser.js("document.activeElement.id") == "file"
    browser.screenshot("focus.png")

    # What assistive programs are told.
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = {(node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in nodes if not node.get("ignored")}
    assert any(role == "button" and "Choose a picture" in (name or "") for role, name in roles), roles
    assert any(role == "heading" for role, _ in roles)

    # Dropped and pasted.
    text = json.dumps(base64.b64encode(pathlib.Path(picture).read_bytes()).decode())
    for event in ["new DragEvent('drop', {dataTransfer: %s})", "new ClipboardEvent('paste', {clipboardData: %s})"]:
        browser.open(1400, "light")
        browser.js(f"dispatchEvent({event % (DATA % text)}), 0")
        browser.until(ANSWERED)
        assert browser.js("document.getElementById('answer').textContent") == answer
        browser.until(MAP)

    messages = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")]
    assert not messages, messages

    # A file that is no picture is said to be none, and the next picture is answered. The browser itself logs that its status was no 200.
    browser.choose(no_picture)
    error = browser.until("!document.getElementById('error').hidden && document.getElementById('error').textContent")
    assert browser.js("document.getElementById('result').hidden")
    browser.screenshot("error.png")
    browser.choose(picture)
    browser.until(ANSWERED)
    browser.until(MAP)
    assert browser.js("document.getElementById('error').hidden")

    asked = {event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"}
    foreign = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not foreign, foreign
    print(f"{answer!r}; {len(names)} classes, two of them explained; {error!r}; {len(asked)} addresses, all the service's; no message")


browser = Browser()
try:
    folder.mkdir(parents=True, exist_ok=True)
    print(browser.call("Browser.getVersion")["product"])
    check(browser)
finally:
    browser.process.terminate()
    browser.process.wait()
    time.sleep(0.5)
    browser.profile.cleanup()
