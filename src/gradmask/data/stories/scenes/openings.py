"""How stories begin: someone, somewhere, who wants something."""

OPENING = """
Once there was {a:p} called {h} who lived near {the+:l}. || Había una vez {a:p} que se llamaba {h} y vivía cerca {of the+:l}.
{h} was {a:p} from {w}. || {h} era {a:p} de {w}.
In {w} everybody knew {h}, {the+:p}. || En {w} todos conocían a {h}, {the+:p}.
Many years ago, {a:p} named {h} came to {w}. || Hace muchos años llegó a {w} {a:p} de nombre {h}.
{h} had lived in {w} for {num} years. || {h} llevaba {num} años viviendo en {w}.
{h} was {num} years old when this story began. || {h} tenía {num} años cuando empezó esta historia.
Nobody in {w} worked as hard as {h}, {the+:p}. || Nadie en {w} trabajaba tanto como {h}, {the+:p}.
At the end of the road to {w} lived {h}, {a:p}. || Al final del camino de {w} vivía {h}, {a:p}.
This is the story of {h}, {a:p}, and of {the:t} from {w}. || Esta es la historia de {h}, {a:p}, y {of the:t} de {w}.
{h} and {f} grew up together in {w}. || {h} y {f} se criaron juntos en {w}.
In a small house beside {the+:l}, {h} lived with {a:n}. || En una casita junto {to the+:l}, {h} vivía con {a:n}.
In {year}, {w} had {num} inhabitants and {a-:p} called {h}. || En {year}, {w} tenía {num} habitantes y {a-:p} que se llamaba {h}.
Every {day}, {h} went to {the:l} to meet {f}. || Cada {day}, {h} iba {to the:l} para ver a {f}.
{h}, {a:p}, owned {num} {pl:t}. || {h}, {a:p}, tenía {num} {pl:t}.
When {h} was a child, {h.his} family moved to {w}. || Cuando {h} era pequeñ{o:h}, su familia se mudó a {w}.
There was {a:l} in {w}, and in it worked {h}. || En {w} había {a:l}, y allí trabajaba {h}.
{h} was {trait:h} and {trait:h}, but everybody in {w} loved {h.him}. || {h} era {trait:h} y {trait:h}, pero en {w} todo el mundo l{o:h} quería.
It was {h.his} first {day} as {a-:p}, and {h} was {feel:h}. || Era su primer {day} como {n:p}, y {h} estaba {feel:h}.
My {n:r} told me the story of {h}, {the+:p}. || Mi {n:r} me contó la historia de {h}, {the+:p}.
{h} came from a family of {few} children, and {h.his} {n:r} was {a:p2}. || {h} venía de una familia de {few} hijos, y su {n:r} conocía a {a:p2}.
Before becoming {a-:p}, {h} had studied {subject} in {w}. || Antes de ser {n:p}, {h} había estudiado {subject} en {w}.
In {month} of {year}, {h} arrived in {w} with {a:b}. || En {month} de {year}, {h} llegó a {w} con {a:b}.
{h} lived with {h.his} {n:r} in {the:l}, near {w}. || {h} vivía con su {n:r} en {the:l}, cerca de {w}.
Among the {num} people of {w}, nobody was as {trait:h} as {h}, {the:p}. || Entre los {num} vecinos de {w}, nadie era tan {trait:h} como {h}, {the:p}.
They say that {a:p} called {h} once lived in {the:l}. || Dicen que en {the:l} vivió una vez {a:p} que se llamaba {h}.
{h} always wore {a:g}, even in {season}. || {h} siempre llevaba {a:g}, incluso en {season}.
"""

SETTING = """
It was {daytime}, in {season}, and {the:l} looked {adj:l}. || Era una {daytime} de {season}, y {the:l} parecía {adj:l}.
{The+:l} lay between {the:m} and the sea. || {The+:l} quedaba entre {the:m} y el mar.
Around {the:l} there were {num} {pl:k}. || Alrededor {of the:l} había {num} {pl:k}.
From {the:l} one could see {the+:m}. || Desde {the:l} se veía {the+:m}.
On {days}, {the:l} was full of {pl:p2}. || Los {days}, {the:l} se llenaba de {pl:p2}.
Behind {the:l} grew {a:k}. || Detrás {of the:l} crecía {a:k}.
In those days {the:l} had only {num} visitors. || En aquellos días {the:l} tenía solo {num} visitantes.
The clock of {the:m} struck {hour}. || El reloj {of the:m} dio las {hour}.
The road to {the:l} passed {a:m}. || El camino hacia {the:l} pasaba por {a:m}.
Nobody had painted {the:j} of {the:l} since {year}. || Nadie había pintado {the:j} {of the:l} desde {year}.
The air smelled of {pl:c} and of {mat}. || El aire olía a {pl:c} y a {mat}.
There was {a-:t2} on every table of {the:l}. || Había {a-:t2} en cada mesa {of the:l}.
{The:n} of {the:p2} slept in front of {the:l}. || {The:n} {of the:p2} dormía delante {of the:l}.
{num} {pl:v} lived beside {the:l}. || {num} {pl:v} vivían junto {to the:l}.
At {hour} o'clock {the:l} was still closed. || A las {hour}, {the:l} seguía cerrad{o:l}.
All over {w}, people talked about {the:q}. || En todo {w} se hablaba {of the:q}.
{The:l} was made of {mat} and {mat}. || {The:l} era de {mat} y {mat}.
On {the:j} of {the:l} somebody had painted {a-:v}. || En {the:j} {of the:l} alguien había pintado {a-:v}.
That {month}, {weather} did not leave {w}. || Aquel {month}, {weather} no se fue de {w}.
{The+:j} of {the:l} was open. || {The+:j} {of the:l} estaba abiert{o:j}.
{The:m} had been built in {year} by {few} {pl:p2}. || {few} {pl:p2} construyeron {the:m} en {year}.
In {season}, {pl:v} crossed the sky of {w} {adv}. || En {season}, {pl:v} cruzaban {adv} el cielo de {w}.
Beside {the:m} stood {a:k}, and under it {a-:b}. || Junto {to the:m} había {a:k}, y debajo {a-:b}.
Between {w} and {w2} there are {num} miles. || Entre {w} y {w2} hay {num} millas.
"""

WISH = """
{h} wanted {a:t} more than anything else. || {h} quería {a:t} más que ninguna otra cosa.
{h} had always dreamed of {~thing} {a:t}. || El sueño de {h} siempre fue {=thing} {a:t}.
One {day}, {h} decided to {=thing} {the+:t}. || Un {day}, {h} decidió {=thing} {the+:t}.
"I must find {the+:t} before {day}," said {h}. || —Tengo que encontrar {the+:t} antes del {day} —dijo {h}.
{h} had promised {f} to {=thing} {the:t}. || {h} le había prometido a {f} {=thing} {the:t}.
For {num} days {h} thought only of {the+:t}. || Durante {num} días, {h} solo pensó en {the+:t}.
{h} needed {a:t} for {h.his} {n:r}. || {h} necesitaba {a:t} para su {n:r}.
{h} wished to {=place} {the+:m} at least once. || {h} deseaba {=place} {the+:m} al menos una vez.
The secret wish of {h} was to become {a-:p2}. || El deseo secreto de {h} era trabajar con {a-:p2}.
{f} asked {h} to bring {a:t} from {the:m}. || {f} le pidió a {h} que trajera {a:t} {from the:m}.
A letter said that {the+:t} was in {the:m}. || Una carta decía que {the+:t} estaba en {the:m}.
{h} wanted to surprise {f} with {a:t}. || {h} quería sorprender a {f} con {a:t}.
If {h} found {the+:t}, everything would change. || Si {h} encontraba {the+:t}, todo cambiaría.
{h} had {num} coins and wanted to buy {a:t}. || {h} tenía {num} monedas y quería comprar {a:t}.
What {h} needed was {a:q}, not {a:t}. || Lo que {h} necesitaba era {a:q}, no {a:t}.
"One day I {!!thing} {the+:t}," {h} used to say. || —Un día {!!thing} {the+:t} —solía decir {h}.
{h} could not sleep because of {the+:t}. || {h} no podía dormir por culpa {of the+:t}.
It was {the:q} that made {h} think of {the+:t}. || Fue {the:q} lo que hizo pensar a {h} en {the+:t}.
{f} wanted {the+:t} too, but {f} did not say so. || {f} también quería {the+:t}, pero no lo decía.
{The:p2} of {w2} was looking for {a:t} made of {mat}. || {The:p2} de {w2} buscaba {a:t} de {mat}.
{h}'s {n:r} had lost {a:t} in {year}. || {The:r} de {h} había perdido {a:t} en {year}.
"Whoever brings me {the+:t} will receive {big} coins," {>say} {the:p2}. || —Quien me traiga {the+:t} recibirá {big} monedas —{>say} {the:p2}.
"""
