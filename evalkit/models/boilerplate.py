"""Sentences that Whisper writes where nothing is said, learned from subtitles.

A segment is dropped only if it holds nothing else. Source of the idea: Barański et al., "Investigation of Whisper ASR
hallucinations induced by non-speech audio", arXiv 2501.11378; the list is ours.
"""

import re
import unicodedata

NAME = "bag1"
"""Raised whenever the list changes; part of signatures."""

_PHRASES = (
    # en
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "thanks for watching and see you next time",
    "please subscribe",
    "please subscribe to my channel",
    "please like and subscribe",
    "dont forget to like and subscribe",
    "subtitles by the amaraorg community",
    "transcription by castingwords",
    "music",
    "applause",
    # zh
    "字幕由amaraorg社区提供",
    "字幕由amaraorg社區提供",
    "字幕志愿者",
    "请不吝点赞订阅转发打赏支持明镜与点点栏目",
    "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
    "谢谢观看",
    "謝謝觀看",
    "谢谢大家收看",
    "感谢观看",
    "感謝觀看",
    "中文字幕提供",
    "作词作曲",
    "词曲",
    "音乐",
    "音樂",
    # ja
    "ご視聴ありがとうございました",
    "ご清聴ありがとうございました",
    "最後までご視聴ありがとうございました",
    "チャンネル登録お願いします",
    "チャンネル登録よろしくお願いします",
    "字幕視聴ありがとうございました",
    "音楽",
    # ko
    "시청해주셔서감사합니다",
    "시청해 주셔서 감사합니다",
    "구독과 좋아요 부탁드립니다",
    "자막 제공",
    "다음 영상에서 만나요",
    # es
    "subtítulos realizados por la comunidad de amaraorg",
    "subtítulos por la comunidad de amaraorg",
    "gracias por ver el video",
    "gracias por ver",
    "suscríbete al canal",
    "música",
    # fr
    "soustitres réalisés par la communauté damaraorg",
    "soustitres réalisés para la communauté damaraorg",
    "merci davoir regardé cette vidéo",
    "merci davoir regardé",
    "abonnezvous",
    "musique",
    # de
    "untertitel der amaraorgcommunity",
    "untertitelung des zdf",
    "untertitelung im auftrag des zdf für funk",
    "untertitelung aufgrund der amaraorgcommunity",
    "vielen dank fürs zuschauen",
    "danke fürs zuschauen",
    "vielen dank für ihre aufmerksamkeit",
    "musik",
    # pt
    "legendas pela comunidade amaraorg",
    "obrigado por assistir",
    "inscrevase no canal",
    # it
    "sottotitoli creati dalla comunità amaraorg",
    "sottotitoli e revisione a cura di qtss",
    "grazie per la visione",
    "grazie per aver guardato il video",
    "musica",
    # ru
    "редактор субтитров асемкин корректор аегорова",
    "субтитры сделал dimatorzok",
    "субтитры создавал dimatorzok",
    "продолжение следует",
    "спасибо за просмотр",
    "подписывайтесь на канал",
    "музыка",
    # tr, nl, pl, uk
    "altyazı mk",
    "izlediğiniz için teşekkür ederim",
    "ondertiteld door de amaraorg gemeenschap",
    "napisy stworzone przez społeczność amaraorg",
    "дякую за перегляд",
)
_YEAR = re.compile(r"(?:19|20)\d\d")


def is_boilerplate(text: str) -> bool:
    """Whether a segment is empty or holds one of the sentences, in whatever language, and nothing else.

    Single words such as "music" count only between brackets, notes or asterisks: they may be lyrics.
    """
    key = _key(text)
    if not key:
        return True
    if key in _SINGLE_WORDS:
        return any(mark in text for mark in "[]()（）【】♪♫*")
    return key in _KEYS


def _key(text: str) -> str:
    composed = _YEAR.sub("", unicodedata.normalize("NFC", text).lower())
    return "".join(char for char in composed if unicodedata.category(char)[0] in "LNM")


_KEYS = frozenset(map(_key, _PHRASES))
_SINGLE_WORDS = frozenset(
    map(_key, ("music", "applause", "音乐", "音樂", "音楽", "música", "musique", "musik", "musica", "музыка"))
)
