"""A hundred short paragraphs on machine learning, written for this lesson.

They answer questions; seven of them (ANSWERS) answer the lesson's own: "How to optimize transformer
throughput?" The demo's claim is that a search by meaning brings these up, although hardly one of them
uses the question's words.
"""

QUESTION = "How to optimize transformer throughput?"

# One block each: a title, then the text. A block whose title starts with '*' answers QUESTION.
_BLOCKS = """
*Batching requests to speed up a transformer
A transformer serves more tokens per second when many requests share one pass over the weights. Continuous batching
admits new sequences at every decoding step, so that the accelerator never waits for the longest answer of a batch.

*Flash attention for faster transformer training and inference
Fused attention kernels compute softmax tile by tile in on-chip memory and never write the full score matrix. This
removes most memory traffic of long sequences and raises the throughput of transformer layers several times.

*A key-value cache makes transformer decoding cheap
Keeping the keys and values of earlier tokens turns each decoding step from quadratic into linear work. Paging that
cache in fixed blocks avoids fragmentation and lets more sequences run at once, which raises throughput.

*Quantizing transformer weights to serve more tokens per second
Decoding is bound by memory bandwidth, so 8-bit or 4-bit weights read two to four times less per token. Calibrated
quantization keeps the quality and optimizes the transformer's throughput on the same hardware.

*Speculative decoding accelerates transformer generation
A small draft model proposes several tokens and the large transformer verifies them in one pass. Accepted tokens cost
a fraction of a step each, so generation runs two or three times faster with the same output distribution.

*Mixed precision and tensor cores for transformer throughput
Training a transformer in bfloat16 with float32 accumulation doubles the arithmetic rate and halves the memory traffic.
Shapes that are multiples of 64 keep the matrix units busy; padding the vocabulary is a cheap way to optimize them.

*Parallelism strategies that scale transformer throughput
Tensor parallelism splits each layer's matrices, pipeline parallelism splits the layers, and data parallelism splits
the batch. Overlapping communication with computation keeps every device busy and the transformer's throughput high.

Self-attention in one paragraph
Each token asks a question of all others: a query is compared with keys, and the softmax of the comparisons weighs the
values. Several heads do this side by side and learn different relations, such as agreement or reference.

Positional encodings
Attention alone does not know the order of words. Sinusoids added to the inputs, learned tables, or rotations of the
queries and keys tell the model which token came first and how far apart two tokens are.

Gradient descent
The gradient points where the loss grows fastest, so a small step the other way makes the model a little better.
Repeating this over random mini-batches is noisy, cheap, and good enough to train networks with billions of weights.

The learning rate
Too large a step and training diverges; too small and it crawls. A short linear warm-up followed by a cosine decay is
the usual schedule, and a quick sweep over powers of three finds a good peak.

Adam and its relatives
Adam scales each weight's step by running averages of the gradient and of its square. Decoupling weight decay from
that scaling, as AdamW does, makes regularisation behave as one expects.

Momentum
A running average of past gradients carries the search through flat valleys and smooths the zigzag across steep ones.
It costs one extra copy of the weights.

Backpropagation
The chain rule, applied from the loss backwards, gives the gradient of every weight for about twice the cost of the
forward pass. Activations must be kept or recomputed for it, and they take most of the memory.

Vanishing and exploding gradients
A product of many Jacobians shrinks or grows exponentially with depth. Careful initialisation, normalisation, gated
cells and residual connections keep its size near one.

Residual connections
Adding a block's input to its output lets gradients pass unchanged through hundreds of layers. Each block then learns
a small correction instead of a whole new representation.

Batch normalisation
Each channel is shifted and scaled to zero mean and unit variance over the batch. It permits higher learning rates,
but couples the examples of a batch and behaves differently at test time.

Layer normalisation
The features of one example are normalised together, so that nothing depends on the rest of the batch. Placing it
before each block makes deep language models stable without long warm-up.

Dropout
Randomly silencing units in training keeps them from relying on each other. At test time all units stay on; the effect
resembles an average over many thinned networks.

Weight decay
Pulling all weights gently towards zero prefers simple explanations. It matters most when the data are few and the
model is large.

Early stopping
Watch the error on held-out data and stop when it no longer falls. It is the cheapest regulariser and needs no change
to the model.

Overfitting and underfitting
A model that memorises its training data fails on new examples; one that is too simple fails on both. The gap between
training and validation error tells which of the two it is.

The bias-variance trade-off
Simple models err in the same way on every sample, flexible ones err differently each time. The expected error is the
sum of squared bias, variance and noise, and the best model balances the first two.

Cross-validation
Splitting the data into k folds and testing on each in turn gives an honest estimate from few examples. Groups that
belong together, such as one patient's records, must stay in one fold.

Data leakage
When information about the answer slips into the inputs, validation looks splendid and production disappoints. Typical
causes are statistics computed over all data, duplicates across splits, and timestamps from the future.

Train, validation and test sets
Fit on the first, choose on the second, and look at the third only once. Every peek at the test set makes its figure a
little less true.

Class imbalance
If one case in a thousand is positive, a model that always says no is 99.9 percent accurate and useless. Resampling,
weights in the loss and a threshold chosen for the cost of each error help.

Precision and recall
Precision asks how many of the found items are right, recall how many of the right items were found. Moving the
decision threshold trades one for the other; the F1 score is their harmonic mean.

The ROC curve
Plotting true against false positive rate over all thresholds shows how well scores separate two classes. The area
under the curve is the chance that a random positive outranks a random negative.

Calibration of probabilities
Among cases predicted with 80 percent confidence, 80 percent should be right. Temperature scaling on held-out data
repairs the overconfidence of large networks without changing their ranking.

Linear regression
The best line in the sense of least squares has a closed form. Its coefficients can be read and explained, which is
why it remains the first model to try.

Logistic regression
A weighted sum passed through a sigmoid gives the probability of a class. It is convex, quick to fit, and a hard
baseline to beat on sparse text features.

Ridge and lasso
A squared penalty shrinks all coefficients together; an absolute one drives many of them to exactly zero. The latter
selects features while it fits.

Decision trees
Questions about single features split the data until each leaf is nearly pure. Trees need no scaling and explain
themselves, but a small change in the data may change the whole tree.

Random forests
Many trees, each grown on a random sample of rows and columns, vote together. Their errors differ, so the average is
far more stable than any tree alone.

Gradient boosting
Each new small tree is fitted to the errors that the sum of the earlier ones still makes. On tables of mixed columns
it is usually the strongest method and needs little tuning.

Support vector machines
The separating plane with the widest margin depends only on a few examples near it. With kernels the plane is drawn in
a space of many more dimensions that is never computed explicitly.

k-nearest neighbours
Keep all examples; to classify a new one, ask the closest few. There is no training, all cost is at query time, and
the distance measure decides everything.

Naive Bayes
Assume that words occur independently given the class, count them, and multiply. The assumption is false and the
classifier is good anyway, notably for spam.

k-means clustering
Assign every point to its nearest centre, move each centre to the mean of its points, and repeat. The result depends
on the start, so one spreads the first centres far apart.

Hierarchical clustering
Merging the two closest groups again and again yields a tree that can be cut at any height. It needs no number of
clusters in advance but compares all pairs.

Density-based clustering
Points with many neighbours form clusters of any shape, and points in thin regions count as noise. The radius and the
least number of neighbours replace the number of clusters.

Principal component analysis
The directions along which the data vary most are the leading eigenvectors of the covariance. Keeping a few of them
compresses the data and often removes noise.

Visualising high dimensions
Methods such as t-SNE and UMAP keep neighbours close on a plane and sacrifice distances between far groups. The gaps
and sizes in such pictures should not be read as measurements.

Autoencoders
A network that must squeeze its input through a narrow layer and restore it learns what matters. The narrow layer is a
code that can be used for search or for spotting anomalies.

Variational autoencoders
Here the code is a distribution, kept close to a normal one by a penalty. Sampling from it and decoding produces new
examples that resemble the training data.

Generative adversarial networks
A generator invents examples and a discriminator tells them from real ones; each improves against the other. Training
is a game rather than a descent, and therefore delicate.

Diffusion models
Noise is added to an image in many small steps, and a network learns to undo one step. Starting from pure noise and
undoing all of them paints a new picture.

Convolutional networks
The same small filter slides over the whole image, so a pattern is recognised wherever it appears. Stacked layers see
edges, then textures, then parts, then objects.

Object detection
The model must say what is in an image and where. Modern detectors predict boxes and classes in one pass and suppress
overlapping duplicates afterwards.

Image segmentation
Every pixel gets a label. An encoder gathers context at low resolution, a decoder restores detail, and skip
connections join both.

Data augmentation
Flips, crops, changes of colour and mixtures of images show the model what should not matter. It is the cheapest way
to more data.

Recurrent networks and LSTM
A hidden state is carried from step to step and summarises what came before. Gates that keep or forget let it remember
over hundreds of steps, though it cannot be computed in parallel.

Sequence to sequence models
An encoder reads the source and a decoder writes the target one symbol at a time. Attention was invented here, to let
the decoder look back at the source words.

Word embeddings
Words that occur in similar company get similar vectors, and directions carry meaning such as gender or tense. One
vector per word cannot tell a river bank from a savings bank.

Sentence embeddings
A whole sentence becomes one vector, trained so that paraphrases lie close together. Cosine similarity then compares
meanings, which is the base of semantic search.

Contrastive learning
Pull together two views of the same thing and push apart everything else in the batch. Large batches and hard
negatives make the learned space sharper.

Tokenisation
Byte-pair encoding starts with bytes and merges the most frequent pairs. Frequent words become one token, rare ones
several, and nothing is ever out of vocabulary.

Language model pre-training
Predicting the next word over trillions of words teaches grammar, facts and some reasoning. No labels are needed, only
text and patience.

Masked language models
Hide some words of a sentence and let the network restore them from both sides. The resulting encoders are good at
classification and search, less at writing.

Fine-tuning
A pre-trained model needs only a few thousand examples and a low learning rate to learn a new task. Freezing the lower
layers guards against forgetting.

Low-rank adaptation
Instead of changing a large matrix, learn the product of two thin ones and add it. The adapters take megabytes rather
than gigabytes and can be swapped per customer.

Learning from human feedback
People compare pairs of answers, a reward model learns their taste, and the language model is tuned towards it. A
penalty keeps it near its former self so that it does not game the reward.

Prompting with examples
A few solved examples in the input show a language model the task without any training. Their order, format and
labels matter more than one would like.

Chain-of-thought reasoning
Asking for intermediate steps lets a model spend more computation on hard questions. Sampling several chains and
taking the majority answer improves it further.

Hallucination in language models
A fluent model states falsehoods with the same confidence as facts. Grounding answers in retrieved documents and
asking for sources reduces it, and nothing removes it.

Retrieval-augmented generation
Fetch the passages most similar to the question and let the model answer from them. Knowledge can then be updated by
changing documents, and answers can be traced to their source.

Chunking documents
Passages of a few hundred words with some overlap are the usual unit of retrieval. Cutting along headings and
paragraphs beats cutting at fixed lengths.

Re-ranking search results
A cross-encoder reads query and passage together and scores them far better than two separate vectors can. It is slow,
so it sees only the first fifty hits.

Hybrid search
Exact words find names and codes, vectors find paraphrases. Fusing both rankings, for instance by reciprocal rank,
beats either alone on most collections.

BM25
The classic ranking function weighs rare words more, lets repeated words count less and less, and corrects for the
length of the document. It is still a strong baseline.

Vector databases
They store embeddings with their documents and answer which are nearest to a query, under filters and updates, without
comparing all of them.

Approximate nearest neighbour search
In hundreds of dimensions exact search means looking at everything. Giving up a percent of recall buys a hundredfold
speed through graphs, clusters or hashes.

Navigable small world graphs
Each vector links to some near and a few far neighbours; a greedy walk from any start comes close to the query within
a few dozen steps. Layers of ever fewer nodes provide the start.

Choosing m and ef_construct
More links per node and a wider search while building give a better graph, more memory and a longer build. Sixteen
links and one to two hundred candidates suit most embeddings.

Product quantization
Cut a vector into pieces and replace each by the nearest of 256 prototypes. A vector of 768 floats becomes 96 bytes,
and distances are sums of table entries.

Binary codes
Keeping only the sign of each component makes a vector thirty-two times smaller. The Hamming distance finds
candidates, and the original vectors decide among them.

Cosine, dot product and Euclidean distance
For vectors of length one the three give the same order. Otherwise the dot product favours long vectors and the cosine
ignores length altogether.

The curse of dimensionality
With growing dimension, distances between random points become nearly equal. Real data escape because they lie near
surfaces of far lower dimension.

Recommender systems
Users and items become vectors whose dot product predicts a rating. New users have no history, so that content and
popularity must help out at first.

Learning to rank
Instead of scores for single items, the model learns which of two should stand higher. Metrics such as nDCG reward
getting the top right.

Anomaly detection
Rare events have few examples, so one models the normal case and flags what does not fit. Isolation forests, density
estimates and reconstruction errors are common choices.

Time series forecasting
Seasonal means and exponential smoothing are hard to beat for single series. Networks win when thousands of related
series can be learned together.

Reinforcement learning
An agent acts, observes and collects reward. It must weigh trying new actions against using what it knows, and credit
rewards to actions taken long before.

Q-learning
The value of an action is the reward plus the discounted value of the best next action. Learning this table, or a
network in its place, from experience needs no model of the world.

Policy gradients
Raise the probability of actions that turned out better than expected. Clipping the size of each update, as PPO does,
keeps learning stable.

Multi-armed bandits
Several options with unknown payoff, one pull at a time. Optimism in the face of uncertainty or sampling from the
posterior lose little against the best arm.

A/B testing
Split users at random, show each half a variant, and decide the size and length of the test beforehand. Stopping as
soon as the difference looks significant finds effects that are not there.

Bayesian inference
A prior belief times the likelihood of the data gives the posterior. It yields uncertainties instead of single
numbers, at the price of integrals that must be approximated.

Gaussian processes
A distribution over functions, defined by how similar two inputs are. Predictions come with error bars; the cost grows
with the cube of the number of examples.

Hyperparameter search
Random search covers the important directions better than a grid with the same budget. Stopping hopeless runs early
saves most of the cost.

Ensembles
Averaging several models trained from different seeds almost always helps. The gain is largest when their errors have
little in common.

Knowledge distillation
A small student imitates the full output distribution of a large teacher, which says more than the bare label. It
often keeps most of the quality at a tenth of the size.

Pruning networks
Many weights can be set to zero with little harm, above all the small ones. Only structured patterns, such as whole
channels, make ordinary hardware faster.

Mixture of experts
A router sends each token to two of many expert layers. The model has many parameters but uses few of them per token;
keeping the load even is the hard part.

Federated learning
Devices train on their own data and send only updates to a server that averages them. Raw data never leave the
device, though updates may still reveal something.

Differential privacy
Clipped gradients and added noise make sure that no single person's record changes the model noticeably. The privacy
budget says how much was spent.

Explaining predictions
Shapley values share a prediction among the features, and saliency maps show which pixels mattered. Explanations can
mislead and should be tested like models.

Monitoring models in production
Inputs drift, labels arrive late, and quality decays quietly. Comparing today's feature distributions with those of
training raises the alarm early.

Feature stores
The same code must compute a feature for training and for serving, at the right point in time. A feature store keeps
definitions, history and fresh values together.
"""


def paragraphs():
    """[(title, text, answers)] in a fixed order; answers: it answers QUESTION."""
    found = []
    for block in _BLOCKS.strip().split("\n\n"):
        title, text = block.split("\n", 1)
        found.append((title.lstrip("*"), text.replace("\n", " "), title.startswith("*")))
    return found
