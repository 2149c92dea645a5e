"""What to paste to use the stack that just came up."""

_CURL = """\
curl -s {base_url}/images/generations \\
  -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
  -d '{{"model": "gpt-image-2", "prompt": "a lighthouse at dawn"}}'"""

_PYTHON = """\
import openai

client = openai.OpenAI(base_url="{base_url}", api_key="{api_key}")
image = client.images.generate(model="gpt-image-2", prompt="a lighthouse at dawn")
print(image.data[0].url)
video = client.videos.create_and_poll(model="seedance-2.0", prompt="waves under the lighthouse")
client.videos.download_content(video.id).write_to_file("waves.mp4")"""


def curl(base_url: str, api_key: str) -> str:
    """One image with curl."""
    return _CURL.format(base_url=base_url, api_key=api_key)


def python(base_url: str, api_key: str) -> str:
    """One image and one video with the stock OpenAI SDK (``pip install openai``)."""
    return _PYTHON.format(base_url=base_url, api_key=api_key)
