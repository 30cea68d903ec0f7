"""Opens reports in a real browser: no console message, nothing fetched, no sideways scrolling, every heading sorts, by mouse and by keyboard.

Usage: python report_in_browser.py FOLDER REPORT.html [..]      (Chromium 140 or later on PATH, websocket-client 1.9)

Writes screenshots at 400 and 1400 pixels, light and dark, into FOLDER, to be looked at. Not part of CI.
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
        for domain in ["Page", "Runtime", "Log", "Network"]:
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

    def open(self, path, width, scheme):
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=path.resolve().as_uri())
        for _ in range(300):
            if self.js("document.readyState") == "complete" and self.js("location.href") == path.resolve().as_uri():
                break
            time.sleep(0.05)
        self.js("document.querySelectorAll('img').forEach(i => i.loading = 'eager'); Promise.all([...document.images].map(i => i.decode().catch(() => 0)))")
        for event in self.events:
            assert event["method"] not in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"), event
            if event["method"] == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                assert url.startswith(("file:", "data:")), url

    def screenshot(self, file):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        pathlib.Path(file).write_bytes(base64.b64decode(shot["data"]))


COLUMN = "[...document.querySelector('#per-output').tBodies[0].rows].map(r => r.cells[%d].dataset.value ?? r.cells[%d].textContent)"


def check(browser, path, folder):
    path = pathlib.Path(path)
    for width in (400, 1400):
        for scheme in ("light", "dark"):
            browser.open(path, width, scheme)
            overflow = browser.js("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{path} at {width}: {overflow} pixels too wide"
            browser.screenshot(pathlib.Path(folder) / f"{path.parent.name}-{width}-{scheme}.png")
    assert browser.js("[...document.images].every(i => i.naturalWidth > 0 && i.alt)"), "a picture is broken or without words"
    headings = browser.js("document.querySelectorAll('#per-output th button').length")
    moved = 0
    for place in range(headings):
        button = f"document.querySelectorAll('#per-output th button')[{place}]"
        before = browser.js(COLUMN % (place, place))
        orders = []
        for press in (f"{button}.click()", None):
            if press:
                browser.js(press)
            else:
                # The keyboard: the heading has the focus, Enter presses it.
                browser.js(f"{button}.focus()")
                for kind in ("keyDown", "keyUp"):
                    browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
            values = browser.js(COLUMN % (place, place))
            sort = browser.js(f"{button}.closest('th').getAttribute('aria-sort')")
            key = (lambda v: v.casefold()) if place == 0 else float
            numbers = [key(v) for v in values if place == 0 or v != "NaN"]
            if place > 0:
                wanted = sorted(numbers, reverse=sort == "descending")
                assert numbers == wanted, (place, sort, values)
            assert sorted(map(str, values)) == sorted(map(str, before))
            orders.append((sort, values))
        assert {order[0] for order in orders} == {"ascending", "descending"}, orders
        moved += orders[0][1] != orders[1][1]
    marked = browser.js("[...document.querySelectorAll('#per-output th')].filter(t => t.hasAttribute('aria-sort')).length")
    assert marked == 1, marked
    unnamed = browser.js("[...document.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length")
    assert unnamed == 0
    size = path.stat().st_size
    print(f"{path}: {size / 1024:.0f} KiB, {browser.js('document.images.length')} pictures, {browser.js('document.querySelectorAll(`svg`).length')} drawings, {moved} of {headings} columns moved, no message")


browser = Browser()
try:
    pathlib.Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(browser.call("Browser.getVersion")["product"])
    for path in sys.argv[2:]:
        check(browser, path, sys.argv[1])
finally:
    browser.process.terminate()
    browser.process.wait()
    time.sleep(0.5)
    browser.profile.cleanup()
