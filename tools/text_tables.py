#!/usr/bin/env python3
"""Write the tables of src/text that come out of packages: stop_lists.c and fold_table.c. They are kept in the tree,
so that a build needs neither the packages nor 15 MB of download; this is how to make them again.

    pip download --no-deps llama-index-core==0.10.60     (holds NLTK's stop word corpus, the lists of 179 English words)
    pip install stopwordsiso==0.7.1                      (MIT; Japanese, which NLTK has not)
    pip install fold-to-ascii==1.0.2.post1               (Apache 2.0; the mapping of Lucene's ASCIIFoldingFilter)
    unzip the first; python tools/text_tables.py .../nltk_cache/corpora/stopwords

usage: tools/text_tables.py FOLDER_OF_NLTK_STOPWORDS
"""
import os
import sys

COLUMNS = 108

# Qdrant's names; the short ones are accepted for the same lists.
LANGUAGES = [
    ("arabic", "ar"), ("azerbaijani", "az"), ("basque", "eu"), ("bengali", "bn"), ("catalan", "ca"), ("chinese", "zh"),
    ("danish", "da"), ("dutch", "nl"), ("english", "en"), ("finnish", "fi"), ("french", "fr"), ("german", "de"),
    ("greek", "el"), ("hebrew", "he"), ("hinglish", "hi-en"), ("hungarian", "hu"), ("indonesian", "id"),
    ("italian", "it"), ("japanese", "jp"), ("kazakh", "kk"), ("nepali", "ne"), ("norwegian", "no"), ("portuguese", "pt"),
    ("romanian", "ro"), ("russian", "ru"), ("slovene", "sl"), ("spanish", "es"), ("swedish", "sv"), ("tajik", "tg"),
    ("turkish", "tr"),
]

STOP_HEAD = """\
/* stop_lists.c - the stop words of each language, made by tools/text_tables.py: do not edit.
 *
 * SOURCE   The stop word corpus of NLTK, as the package llama-index-core 0.10.60 has it; its README names PostgreSQL's
 *          Snowball lists (BSD) and the contributors of the others. Japanese: stopwords-iso (MIT). Entries of several words are
 *          left out, for no token can be one.
 * FORM     Words end in a line feed, and are sorted by code point.
 */
#include "text/stop_lists.h"

const stop_list stop_lists[] = {
"""

FOLD_HEAD = """\
/* fold_table.c - letters, digits and signs that have an ASCII spelling, made by tools/text_tables.py: do not edit.
 *
 * SOURCE   The mapping of Lucene's ASCIIFoldingFilter (Apache 2.0), as the package fold-to-ascii has it.
 */
#include "text/letter_case.h"

const fold_entry fold_table[] = { /* sorted; spellings end in a NUL */
"""


def words_of(folder, language):
    if language == "japanese":
        import stopwordsiso

        words = stopwordsiso.stopwords("ja")
    else:
        with open(os.path.join(folder, language), encoding="utf-8") as file:
            words = file.read().split("\n")
    words = {word.strip() for word in words}
    return sorted(word for word in words if word and not any(letter.isspace() for letter in word))


def quoted(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")


def write_stop_lists(folder, path):
    with open(path, "w", encoding="utf-8") as out:
        out.write(STOP_HEAD)
        for language, short in LANGUAGES:
            words = words_of(folder, language)
            out.write(f'    {{"{language}", "{short}", {len(words)},\n')
            line = ""
            for word in words:
                piece = quoted(word) + "\\n"
                if line and len(line) + len(piece) + 12 > COLUMNS:
                    out.write(f'     "{line}"\n')
                    line = ""
                line += piece
            out.write(f'     "{line}"}},\n')
        out.write("};\n\nconst size_t stop_list_count = countof(stop_lists);\n")


def write_fold_table(path):
    from fold_to_ascii import mapping

    entries = sorted((code, text) for code, text in mapping.translate_table if code >= 0x80)
    assert all(1 <= len(text) <= 4 and text.isascii() for _, text in entries), "fold_entry has room for four letters"
    with open(path, "w", encoding="utf-8") as out:
        out.write(FOLD_HEAD)
        line = "   "
        for code, text in entries:
            piece = f' {{0x{code:X}, "{quoted(text)}"}},'
            if len(line) + len(piece) > COLUMNS:
                out.write(line + "\n")
                line = "   "
            line += piece
        out.write(line + "\n};\n\nconst size_t fold_table_count = countof(fold_table);\n")
    return len(entries)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src", "text")
    write_stop_lists(sys.argv[1], os.path.join(source, "stop_lists.c"))
    print(write_fold_table(os.path.join(source, "fold_table.c")), "letters fold")


if __name__ == "__main__":
    main()
