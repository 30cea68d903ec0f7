"""The service that rekindle's is measured against: FastAPI on uvicorn, ONNX Runtime, Pillow; as their own guides have it.

    python peer.py MODEL.onnx PORT            (MODEL.onnx: rekindle export RUN --include-rescale -o MODEL.onnx; versions: requirements.txt)

Decodes and resizes in FastAPI's thread pool, predicts each image by itself there: ONNX Runtime uses all cores for one. `--batch` forms
batches as rekindle does, of what has come while the one before was computed.
"""
import asyncio, contextlib, io, json, sys

import fastapi, numpy as np, onnxruntime, uvicorn
from fastapi.concurrency import run_in_threadpool
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
classes, (height, width) = json.loads(about["classes"]), json.loads(about["input_size"])
assert about["resize_policy"] == "crop" and about["rescaling"] == "in the graph", about
filters = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
waiting = asyncio.Queue()


def view(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    short = round(min(height, width) / float(about["crop_ratio"]))
    scale = short / min(image.size)
    size = [round(side * scale) for side in image.size]
    if list(image.size) != size:
        image = image.resize(size, filters[about["interpolation"]])
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)), np.float32).transpose(2, 0, 1)


def answer(row):
    best = sorted(zip(classes, row.tolist()), key=lambda pair: -pair[1])[:3]
    return {"predictions": [{"class": best[0][0], "probability": best[0][1], "probabilities": dict(best)}]}


def run(images):
    return session.run(None, {"images": np.stack(images)})[0]


async def batches():
    while True:
        batch = [await waiting.get()]
        while len(batch) < 32 and not waiting.empty():
            batch.append(waiting.get_nowait())
        rows = await run_in_threadpool(run, [image for image, _ in batch])
        for (_, reply), row in zip(batch, rows):
            if not reply.cancelled():
                reply.set_result(row)


@contextlib.asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(batches()) if "--batch" in sys.argv else None
    yield
    if task:
        task.cancel()


app = fastapi.FastAPI(lifespan=lifespan)


@app.get("/ready")
def ready():
    return {}


@app.post("/predict")
async def predict(request: fastapi.Request):
    data = await request.body()
    try:
        image = await run_in_threadpool(view, data)
    except Exception as error:
        raise fastapi.HTTPException(415, str(error))
    if "--batch" in sys.argv:
        reply = asyncio.get_running_loop().create_future()
        waiting.put_nowait((image, reply))
        return answer(await reply)
    return answer((await run_in_threadpool(run, [image]))[0])


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
