"""OpenAI's client for Python against a Signalbox, as its users have it. Prints one line of JSON for each check."""
import json
import os
import time
import traceback

import openai
from pydantic import BaseModel

URL, KEY = os.environ["SIGNALBOX_URL"], os.environ["SIGNALBOX_API_KEY"]
PICTURE = os.environ["PICTURE"]
MODELS = json.loads(os.environ["MODELS"])
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)


def order(what, text="Go."):
    return f"#fake {json.dumps(what)}\n{text}"


def ask(model, text, by=client, **rest):
    return by.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **rest)


def raised(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected, and nothing was raised")


class Place(BaseModel):
    city: str
    streets: list[str]


def whole(model):
    reply = ask(model, "Say this.")
    assert reply.choices[0].message.content == "Say this.", reply
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.cost > 0


def streamed(model):
    chunks = list(ask(model, order({"text": ["One", " two", " 三"]}), stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [text for text in texts if text] == ["One", " two", " 三"], texts
    assert chunks[-1].usage.completion_tokens > 0


def tools(model):
    calls = [{"name": "get_weather", "id": f"call_{city}", "arguments": json.dumps({"city": city})} for city in ("Rome", "Paris")]
    messages = [{"role": "user", "content": order({"calls": calls}, "What of the weather?")}]
    reply = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Rome", "Paris"]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "It rains."} for call in message.tool_calls]
    again = client.chat.completions.create(model=model, messages=[*messages, message, *results], tools=[WEATHER])
    assert "It rains." in again.choices[0].message.content


def structured(model):
    reply = client.chat.completions.parse(model=model, messages=[{"role": "user", "content": "A place"}], response_format=Place)
    assert isinstance(reply.choices[0].message.parsed, Place)


def picture(model):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert "1 image, image/png" in reply.choices[0].message.content


def failures():
    model = MODELS[0]
    assert "temperature" in str(raised(openai.BadRequestError, lambda: ask(model, "Hello", temperature=3)))
    raised(openai.BadRequestError, lambda: ask("nobody/knows-it", "Hello"))
    raised(openai.NotFoundError, lambda: ask("mistralai/mistral-large", "Hello"))
    raised(openai.AuthenticationError, lambda: ask(model, "Hello", by=client.with_options(api_key="sk-wrong")))
    limited = raised(openai.RateLimitError, lambda: ask("acme/limited", order({"status": 429, "headers": {"retry-after": "7"}})))
    assert limited.response.headers["retry-after"] == "7"
    failed = raised(openai.InternalServerError, lambda: ask("acme/broken", order({"status": 500})))
    assert failed.status_code == 502


def models():
    at_v1 = {model.id for model in client.models.list()}
    assert "openai/gpt-4o-mini" in at_v1 and "mistralai/mistral-large" not in at_v1
    assert len(list(client.with_options(base_url=URL + "/api/v1").models.list())) > 300


def leaving():
    stream = ask(MODELS[0], order({"text": ["first", *[" word"] * 500], "paceMs": 20}), stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    stream.close()
    time.sleep(0.2)


def report(name, act, *args):
    try:
        act(*args)
        print(json.dumps({"name": name, "error": None}), flush=True)
    except Exception:
        print(json.dumps({"name": name, "error": traceback.format_exc()}), flush=True)


print(json.dumps({"version": openai.__version__}), flush=True)
for model in MODELS:
    for act in (whole, streamed, tools, structured, picture):
        report(f"{model}: {act.__name__}", act, model)
for act in (failures, models, leaving):
    report(act.__name__, act)
