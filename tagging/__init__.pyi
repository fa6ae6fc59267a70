from .audio.examples import list_sounds as list_sounds
from .audio.examples import sound_path as sound_path
from .audio.files import load_audio as load_audio
from .audio.mel import LogMel as LogMel
from .audio.mel import MelSpec as MelSpec
from .data.base import list_corpora as list_corpora
from .data.base import open_corpus as open_corpus
from .errors import AudioError as AudioError
from .errors import CheckpointError as CheckpointError
from .errors import ConfigError as ConfigError
from .errors import CorpusError as CorpusError
from .errors import DownloadError as DownloadError
from .errors import TaggingError as TaggingError
from .models.backends import build_backend as build_backend
from .models.backends import list_backends as list_backends
from .models.build import build_tagger as build_tagger
from .models.frontends import build_frontend as build_frontend
from .models.frontends import list_frontends as list_frontends
from .models.tagger import Tagger as Tagger
from .pretrained import list_pretrained as list_pretrained
from .pretrained import load_tagger as load_tagger
from .tags import Tag as Tag
from .tags import TrackTags as TrackTags
from .tags import Vocabulary as Vocabulary
from .training.losses import tag_loss as tag_loss

__version__: str
