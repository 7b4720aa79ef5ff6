/* octant._fast: a search from Python without ctypes.
 *
 * WHY      ctypes costs some 6 us a call: three arrays asked for their addresses, eleven arguments converted, an error
 *          struct of a kilobyte made, the handle entered and left in Python. A search takes 10 to 20 us. Here the same
 *          call costs less than 1 us.
 * WHAT     Only the common case: a float32 query (or rows of them) that lies in one piece, and plain integers. For
 *          anything else `search` returns None, and native.py goes its general way, which also words the errors of
 *          arguments. So this module may be absent (octant works by ctypes alone), and it must never differ.
 * DOORS    A Door is a database handle's count of the searches that run here: what Handle._calls is for calls through
 *          ctypes. `shut` succeeds only when there are none; otherwise the last one that leaves calls `left`.
 *          A forked child's doors are shut: it has the memory but not the engine's threads.
 * LIBRARY  Not linked: native.py passes the address of oct_search_rows, so that there is one library, found once.
 * THREADS  The interpreter's lock guards all fields; it is let go while the engine works.
 * ABI      Python's stable one as of 3.11: one file for all later versions.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "octant.h"

typedef __typeof__(oct_search_rows) search_function;

static unsigned process_number; /* one more in each forked child */

static void
count_fork(void)
{
    process_number++;
}

/* --- Door ------------------------------------------------------------------------------------------ */

typedef struct door {
    PyObject   ob_base;
    PyObject  *left; /* called without arguments by the last search out of a door that was to be shut */
    Py_ssize_t inside;
    unsigned   process;
    bool       open;
    bool       waiting; /* `shut` failed */
} door;

static PyObject *
door_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *left;
    door     *self;

    if (names != NULL && PyDict_Size(names) != 0)
        return PyErr_Format(PyExc_TypeError, "Door takes no keywords");
    if (!PyArg_ParseTuple(args, "O", &left))
        return NULL;
    self = (door *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(left);
    self->left = left;
    self->process = process_number;
    self->open = true;
    return (PyObject *)self;
}

static int
door_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((door *)object)->left);
    Py_VISIT((PyObject *)Py_TYPE(object));
    return 0;
}

static int
door_clear(PyObject *object)
{
    Py_CLEAR(((door *)object)->left);
    return 0;
}

static void
object_dealloc(PyObject *object, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    (void)clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static void
door_dealloc(PyObject *object)
{
    object_dealloc(object, door_clear);
}

/* True: nobody is inside, and nobody will be. False: `left` will be called. */
static PyObject *
door_shut(PyObject *object, PyObject *none)
{
    door *self = (door *)object;

    (void)none;
    self->waiting = self->inside > 0;
    self->open = self->waiting;
    return PyBool_FromLong(!self->waiting);
}

/* A new lease came while `shut` was waiting. */
static PyObject *
door_keep(PyObject *object, PyObject *none)
{
    (void)none;
    ((door *)object)->waiting = false;
    Py_RETURN_NONE;
}

static void
door_leave(door *self)
{
    PyObject *result;

    self->inside--;
    if (self->inside > 0 || !self->waiting || self->left == NULL)
        return;
    self->waiting = false;
    result = PyObject_CallObject(self->left, NULL);
    if (result == NULL)
        PyErr_WriteUnraisable(self->left);
    Py_XDECREF(result);
}

static PyMethodDef door_methods[] = {
    {"shut", door_shut, METH_NOARGS, "Let nobody in any more, if nobody is inside."},
    {"keep", door_keep, METH_NOARGS, "Forget that `shut` was asked for."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot door_slots[] = {
    {Py_tp_new, (void *)door_new},         {Py_tp_dealloc, (void *)door_dealloc},
    {Py_tp_traverse, (void *)door_traverse}, {Py_tp_clear, (void *)door_clear},
    {Py_tp_methods, door_methods},         {0, NULL},
};

static PyType_Spec door_spec = {"octant._fast.Door", sizeof(door), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, door_slots};

/* --- Searcher ---------------------------------------------------------------------------------------- */

typedef struct searcher {
    PyObject         ob_base;
    door            *door;
    PyObject        *fail;      /* called with status and text; raises */
    PyObject        *empty;     /* numpy.empty */
    PyObject        *id_type;   /* numpy.dtype("u8"), ... */
    PyObject        *score_type; /* ... "f4" */
    search_function *search;
    oct_collection  *collection;
} searcher;

static PyTypeObject *door_type;

static PyObject *
searcher_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject          *given_door, *fail, *empty, *id_type, *score_type;
    unsigned long long function, collection;
    searcher          *self;

    if (names != NULL && PyDict_Size(names) != 0)
        return PyErr_Format(PyExc_TypeError, "Searcher takes no keywords");
    if (!PyArg_ParseTuple(args, "O!KKOOOO", door_type, &given_door, &function, &collection, &fail, &empty, &id_type,
                          &score_type))
        return NULL;
    self = (searcher *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(given_door);
    self->door = (door *)given_door;
    Py_INCREF(fail);
    self->fail = fail;
    Py_INCREF(empty);
    self->empty = empty;
    Py_INCREF(id_type);
    self->id_type = id_type;
    Py_INCREF(score_type);
    self->score_type = score_type;
    self->search = (search_function *)(uintptr_t)function;
    self->collection = (oct_collection *)(uintptr_t)collection;
    return (PyObject *)self;
}

static int
searcher_traverse(PyObject *object, visitproc visit, void *arg)
{
    searcher *self = (searcher *)object;

    Py_VISIT((PyObject *)self->door);
    Py_VISIT(self->fail);
    Py_VISIT(self->empty);
    Py_VISIT(self->id_type);
    Py_VISIT(self->score_type);
    Py_VISIT((PyObject *)Py_TYPE(object));
    return 0;
}

static int
searcher_clear(PyObject *object)
{
    searcher *self = (searcher *)object;

    Py_CLEAR(self->door);
    Py_CLEAR(self->fail);
    Py_CLEAR(self->empty);
    Py_CLEAR(self->id_type);
    Py_CLEAR(self->score_type);
    return 0;
}

static void
searcher_dealloc(PyObject *object)
{
    object_dealloc(object, searcher_clear);
}

/* The address of a new array's memory, or NULL with an exception. */
static void *
address_of(PyObject *array)
{
    Py_buffer view;
    void     *address;

    if (PyObject_GetBuffer(array, &view, PyBUF_WRITABLE | PyBUF_ND) != 0)
        return NULL;
    address = view.buf;
    PyBuffer_Release(&view); /* the array stays, and with it its memory */
    return address;
}

static PyObject *
new_array(const searcher *self, PyObject *shape, PyObject *type)
{
    PyObject *args = PyTuple_Pack(2, shape, type), *array;

    if (args == NULL)
        return NULL;
    array = PyObject_Call(self->empty, args, NULL);
    Py_DECREF(args);
    return array;
}

/* A plain positive integer up to `limit`. False: something else, which is for others to judge. */
static bool
read_count(PyObject *object, size_t limit, size_t *out)
{
    size_t value;

    if (!PyLong_CheckExact(object))
        return false;
    value = PyLong_AsSize_t(object);
    if (value == (size_t)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    *out = value;
    return value <= limit;
}

static bool
is_f32(const char *format)
{
    return format != NULL && format[0] == 'f' && format[1] == 0;
}

/* search(queries, k, ef or None, exact, threads): ids and scores, or None if this is not for here. */
static PyObject *
searcher_search(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    searcher  *self = (searcher *)object;
    PyObject  *shape = NULL, *ids = NULL, *scores = NULL, *result = NULL;
    size_t     k, ef = 0, threads, rows, dim;
    void      *id_memory, *score_memory;
    door      *entered;
    Py_buffer  view;
    oct_error  error;
    oct_status status;
    bool       exact;

    if (count != 5)
        return PyErr_Format(PyExc_TypeError, "search takes 5 arguments, not %zd", count);
    if (!read_count(args[1], OCT_LIMIT_MAX, &k) || k == 0)
        Py_RETURN_NONE;
    if (args[2] != Py_None && (!read_count(args[2], SIZE_MAX, &ef) || ef == 0))
        Py_RETURN_NONE;
    if ((args[3] != Py_False && args[3] != Py_True) || !read_count(args[4], UINT32_MAX, &threads))
        Py_RETURN_NONE;
    exact = args[3] == Py_True;
    entered = self->door;
    if (entered == NULL || !entered->open || entered->process != process_number)
        Py_RETURN_NONE;
    if (PyObject_GetBuffer(args[0], &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    if (!is_f32(view.format) || view.itemsize != 4 || view.ndim < 1 || view.ndim > 2 || view.len == 0 ||
        (uintptr_t)view.buf % sizeof(float) != 0) {
        PyBuffer_Release(&view);
        Py_RETURN_NONE;
    }
    rows = view.ndim == 1 ? 1 : (size_t)view.shape[0];
    dim = (size_t)view.shape[view.ndim - 1];
    shape = view.ndim == 1 ? args[1] : Py_BuildValue("(nn)", view.shape[0], (Py_ssize_t)k);
    if (view.ndim == 1)
        Py_INCREF(shape);
    if (shape == NULL)
        goto out;
    ids = new_array(self, shape, self->id_type);
    scores = ids == NULL ? NULL : new_array(self, shape, self->score_type);
    id_memory = scores == NULL ? NULL : address_of(ids);
    score_memory = id_memory == NULL ? NULL : address_of(scores);
    if (score_memory == NULL)
        goto out;

    Py_INCREF((PyObject *)self);
    entered->inside++;
    error.status = OCT_OK;
    error.text[0] = 0;
    Py_BEGIN_ALLOW_THREADS
    status = self->search(self->collection, view.buf, rows, dim, k, ef, exact, (uint32_t)threads, id_memory, score_memory,
                          &error);
    Py_END_ALLOW_THREADS
    door_leave(entered);
    Py_DECREF((PyObject *)self);

    if (status == OCT_OK) {
        result = PyTuple_Pack(2, ids, scores);
    } else {
        result = PyObject_CallFunction(self->fail, "iy", (int)status, error.text);
        if (result != NULL) { /* it must raise */
            Py_CLEAR(result);
            PyErr_SetString(PyExc_SystemError, "octant._fast: a failed search raised nothing");
        }
    }
out:
    Py_XDECREF(shape);
    Py_XDECREF(ids);
    Py_XDECREF(scores);
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef searcher_methods[] = {
    {"search", (PyCFunction)(void (*)(void))searcher_search, METH_FASTCALL,
     "search(queries, k, ef, exact, threads) -> (ids, scores) or None"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot searcher_slots[] = {
    {Py_tp_new, (void *)searcher_new},         {Py_tp_dealloc, (void *)searcher_dealloc},
    {Py_tp_traverse, (void *)searcher_traverse}, {Py_tp_clear, (void *)searcher_clear},
    {Py_tp_methods, searcher_methods},         {0, NULL},
};

static PyType_Spec searcher_spec = {"octant._fast.Searcher", sizeof(searcher), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                    searcher_slots};

/* --- the module -------------------------------------------------------------------------------------- */

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "octant._fast", .m_doc = "Searches without ctypes.", .m_size = -1};

PyMODINIT_FUNC PyInit__fast(void);

PyMODINIT_FUNC
PyInit__fast(void)
{
    PyObject *module = PyModule_Create(&definition), *made_door, *made_searcher;

    if (module == NULL)
        return NULL;
    made_door = PyType_FromSpec(&door_spec);
    made_searcher = PyType_FromSpec(&searcher_spec);
    if (made_door == NULL || made_searcher == NULL || PyModule_AddObjectRef(module, "Door", made_door) != 0 ||
        PyModule_AddObjectRef(module, "Searcher", made_searcher) != 0 ||
        PyModule_AddIntConstant(module, "ERROR_TEXT_MAX", OCT_ERROR_TEXT_MAX) != 0 || pthread_atfork(NULL, NULL, count_fork) != 0) {
        Py_XDECREF(made_door);
        Py_XDECREF(made_searcher);
        Py_DECREF(module);
        return PyErr_Occurred() != NULL ? NULL : PyErr_NoMemory();
    }
    door_type = (PyTypeObject *)made_door; /* both live as long as the process */
    return module;
}
