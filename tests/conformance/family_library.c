// What libc allocates for the program is of this heap, and freed by it.
#define _GNU_SOURCE
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include "tests/conformance/family_checks.h"

static int IsText(char* text, const char* expected) {
  const int good = text != NULL && strcmp(text, expected) == 0 &&
                   malloc_usable_size(text) > strlen(expected);
  free(text);
  return good;
}

static void CheckLines(void) {
  char input[] = "first\nsecond line\n";
  FILE* stream = fmemopen(input, sizeof(input) - 1, "r");
  char* line = NULL;
  size_t room = 0;
  ASSERT(stream != NULL && getline(&line, &room, stream) == 6);
  ASSERT(line != NULL && malloc_usable_size(line) >= room);
  ASSERT(getdelim(&line, &room, ' ', stream) == 7);
  free(line);
  if (stream != NULL) fclose(stream);
  char* text = NULL;
  size_t length = 0;
  stream = open_memstream(&text, &length);
  ASSERT(stream != NULL);
  if (stream == NULL) return;
  for (int i = 0; i < 1000; ++i) fprintf(stream, "%d ", i);
  fclose(stream);
  ASSERT(text != NULL && length == 3890 && malloc_usable_size(text) > length);
  free(text);
}

void CheckLibraryResults(void) {
  ASSERT(IsText(strdup("a text"), "a text"));
  ASSERT(IsText(strdup(""), ""));
  ASSERT(IsText(strndup("a text", 3), "a t"));
  char* text = NULL;
  ASSERT(asprintf(&text, "%d-%s", 7, "x") == 3);
  ASSERT(IsText(text, "7-x"));
  wchar_t* wide = wcsdup(L"wide");
  ASSERT(wide != NULL && malloc_usable_size(wide) >= 5 * sizeof(wchar_t));
  free(wide);
  ASSERT(IsText(realpath("/", NULL), "/"));
  char* directory = getcwd(NULL, 0);
  ASSERT(directory == NULL || malloc_usable_size(directory) > 0);
  free(directory);
  DIR* root = opendir("/");
  ASSERT(root != NULL);
  if (root != NULL) closedir(root);
  struct dirent** names = NULL;
  const int count = scandir("/", &names, NULL, alphasort);
  ASSERT(count > 0);
  for (int i = 0; i < count; ++i) free(names[i]);
  free(names);
  ASSERT(setenv("MYONLY_TEST_NAME", "value", 1) == 0);
  ASSERT(unsetenv("MYONLY_TEST_NAME") == 0);
  CheckLines();
}
